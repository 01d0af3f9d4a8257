package eventstore

import (
	"encoding/binary"

	"github.com/google/uuid"
)

// Types of array elements, as Postgres numbers them.
const (
	oidBool  = 16
	oidBytea = 17
	oidInt8  = 20
	oidInt2  = 21
	oidText  = 25
	oidUUID  = 2950
)

const arrayHeader = 20 // bytes: dimensions, has-null, element type, length, lower bound

// column is one array parameter in Postgres' binary form, written as the values come: a batch is encoded while the one
// before it is in COMMIT, and no value is looked at by reflection.
type column struct {
	buf []byte
	oid uint32
	n   uint32
}

func (c *column) reset(oid uint32) {
	c.buf, c.oid, c.n = append(c.buf[:0], make([]byte, arrayHeader)...), oid, 0
}

// param returns the array. The column can grow no further until it is reset.
func (c *column) param() []byte {
	dimensions := uint32(1)
	if c.n == 0 {
		dimensions = 0 // that is what an empty array is: its header ends after the element type
	}
	binary.BigEndian.PutUint32(c.buf[0:], dimensions)
	binary.BigEndian.PutUint32(c.buf[4:], 1) // may hold nulls
	binary.BigEndian.PutUint32(c.buf[8:], c.oid)
	binary.BigEndian.PutUint32(c.buf[12:], c.n)
	binary.BigEndian.PutUint32(c.buf[16:], 1)
	if c.n == 0 {
		return c.buf[:12]
	}
	return c.buf
}

func (c *column) null() {
	c.buf = append(c.buf, 0xff, 0xff, 0xff, 0xff)
	c.n++
}

func (c *column) bytes(v []byte) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(v)))
	c.buf = append(c.buf, v...)
	c.n++
}

// nullable writes nil as NULL.
func (c *column) nullable(v []byte) {
	if v == nil {
		c.null()
		return
	}
	c.bytes(v)
}

func (c *column) text(v string) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(v)))
	c.buf = append(c.buf, v...)
	c.n++
}

func (c *column) uuid(v uuid.UUID) { c.bytes(v[:]) }

func (c *column) int64(v int64) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, 8)
	c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(v))
	c.n++
}

func (c *column) int16(v int16) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, 2)
	c.buf = binary.BigEndian.AppendUint16(c.buf, uint16(v))
	c.n++
}

func (c *column) bool(v bool) {
	var b byte
	if v {
		b = 1
	}
	c.buf = append(binary.BigEndian.AppendUint32(c.buf, 1), b)
	c.n++
}
