package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"waybill/api/dispatch"
	"waybill/api/problem"
)

// ndjson is the media type of batches.
const ndjson = "application/x-ndjson"

// batch answers POST /v1/commands:batch: an envelope a line in, a verdict a line out, in the order of the lines, while
// the body is still coming in. Lines are carried out side by side, but lines about one order or stock item, or
// under one key, one after the other. When the connection breaks, what was begun is finished; sending the batch again with the same keys gives
// the verdicts that were lost.
func (s *Server) batch(w http.ResponseWriter, r *http.Request, c *call) {
	req, p := s.request(r, c)
	if p != nil {
		writeProblem(w, c, p)
		return
	}
	if req.Key != "" || req.Expected != nil {
		writeProblem(w, c, problem.New(problem.InvalidParameter, "Idempotency-Key and If-Match stand in the lines of a batch"))
		return
	}
	rc := http.NewResponseController(w)
	if err := rc.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		writeProblem(w, c, problem.Of(err))
		return
	}
	w.Header().Set("Content-Type", ndjson)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	b := &batch{server: s, base: req, lanes: map[string]chan struct{}{}, jobs: make(chan *job, s.cfg.BatchConcurrency)}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { b.read(ctx, &pacedBody{body: r.Body, rc: rc, patience: s.cfg.ReadTimeout, now: s.now}) })
	b.write(w, rc)
}

// batch is one batch being carried out.
type batch struct {
	server *Server
	base   dispatch.Request
	jobs   chan *job // in the order of the lines; its room bounds how many are carried out at a time

	lanes map[string]chan struct{} // of the reader: the end of the newest job of each lane
}

// job is one line.
type job struct {
	line  int
	reply dispatch.Reply
	done  chan struct{}
}

// read starts a job for every line. It owns the jobs it has started.
func (b *batch) read(ctx context.Context, body io.Reader) {
	defer close(b.jobs)
	var wg sync.WaitGroup
	defer wg.Wait()
	in := bufio.NewReaderSize(body, 32<<10)
	for n := 1; ctx.Err() == nil; n++ {
		line, long, err := readLine(in, int(b.server.cfg.MaxBody))
		if err != nil && !errors.Is(err, io.EOF) {
			return // the rest of a broken line is not a command
		}
		if len(bytes.TrimSpace(line)) > 0 || long {
			if !b.server.limits.wait(ctx, b.base.Principal.Name, b.server.now) {
				return
			}
			j := &job{line: n, done: make(chan struct{})}
			select {
			case b.jobs <- j:
			case <-ctx.Done():
				return
			}
			b.start(ctx, &wg, j, line, long)
		}
		if err != nil {
			return
		}
	}
}

func (b *batch) start(ctx context.Context, wg *sync.WaitGroup, j *job, line []byte, long bool) {
	req := b.base
	req.Body = line
	if p := b.open(&req, long); p != nil {
		p.RequestID = req.RequestID
		j.reply = dispatch.Reply{Status: p.Status, Problem: p, Body: p.JSON(), Key: req.Key}
		close(j.done)
		return
	}
	before := b.enter(j, "about\x00", req.Payload.Lane())
	same := b.enter(j, "key\x00", req.Key) // a line that is sent twice is carried out once, and answered twice
	wg.Go(func() {
		defer close(j.done)
		for _, end := range []<-chan struct{}{before, same} {
			if end != nil {
				<-end
			}
		}
		j.reply = b.server.dispatch.Do(ctx, &req)
	})
}

// enter puts a job at the end of a lane, and returns the end of the job before it, or nil. No name means no lane.
func (b *batch) enter(j *job, kind, name string) <-chan struct{} {
	if name == "" {
		return nil
	}
	if len(b.lanes) > 8*cap(b.jobs) {
		b.forget()
	}
	before := b.lanes[kind+name]
	b.lanes[kind+name] = j.done
	return before
}

func (b *batch) open(req *dispatch.Request, long bool) *problem.Problem {
	if long {
		return tooLarge(b.server.cfg.MaxBody)
	}
	req.MediaType = ""
	return b.server.dispatch.Open(req)
}

// forget drops the lanes whose jobs have ended.
func (b *batch) forget() {
	for lane, done := range b.lanes {
		select {
		case <-done:
			delete(b.lanes, lane)
		default:
		}
	}
}

// write answers the jobs in order. It goes on taking them when the client is gone, so that the reader can end.
func (b *batch) write(w http.ResponseWriter, rc *http.ResponseController) {
	out := bufio.NewWriterSize(w, 16<<10)
	broken := false
	for {
		var j *job
		var more bool
		select {
		case j, more = <-b.jobs:
		default:
			broken = broken || b.flush(out, rc) != nil // nobody waits for verdicts that are there
			j, more = <-b.jobs
		}
		if !more {
			break
		}
		select {
		case <-j.done:
		default:
			broken = broken || b.flush(out, rc) != nil
			<-j.done
		}
		if broken {
			continue
		}
		_, err := out.Write(verdict(j))
		broken = err != nil
	}
	_ = b.flush(out, rc) // the client went away: its keys find the outcomes
}

func (b *batch) flush(out *bufio.Writer, rc *http.ResponseController) error {
	if out.Buffered() == 0 {
		return nil
	}
	if err := rc.SetWriteDeadline(b.server.now().Add(b.server.cfg.WriteTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return errors.Join(out.Flush(), rc.Flush())
}

// verdict renders the answer to one line.
func verdict(j *job) []byte {
	b := make([]byte, 0, len(j.reply.Body)+128)
	b = append(b, `{"line":`...)
	b = strconv.AppendInt(b, int64(j.line), 10)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(j.reply.Status), 10)
	if j.reply.Key != "" && dispatch.CheckKey(j.reply.Key) == nil {
		b = append(b, `,"idempotency_key":`...)
		b = strconv.AppendQuote(b, j.reply.Key)
	}
	if j.reply.Replayed {
		b = append(b, `,"replayed":true`...)
	}
	b = append(b, `,"body":`...)
	b = append(b, bytes.TrimSpace(j.reply.Body)...)
	return append(b, '}', '\n')
}

// readLine reads up to the end of a line. A line longer than limit is passed over; long says so.
func readLine(in *bufio.Reader, limit int) (line []byte, long bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		switch {
		case len(line)+len(part) > limit:
			line, long = nil, true
		case !long:
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, long, err
		}
	}
}

// pacedBody gives the client a fresh span of time for every read.
type pacedBody struct {
	body     io.Reader
	rc       *http.ResponseController
	patience time.Duration
	now      func() time.Time
}

// Read implements io.Reader.
func (p *pacedBody) Read(b []byte) (int, error) {
	if err := p.rc.SetReadDeadline(p.now().Add(p.patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.body.Read(b)
}
