// Package wire holds the shapes that programs send and receive, and the one decoder that reads them.
//
// A body is first read as a tree ([ParseJSON], [ParseMsgpack]) under limits that hold for every command: size, depth,
// UTF-8, no doubled keys, integers of 64 bits, nothing after the end. The tree is then bound to the struct of its
// command ([Binder]), where unknown fields and wrong types are errors with the place they stand at. Both media types go
// through the same binder, so they accept the same things.
//
// The package maps shapes to domain commands ([Table]) and back; it knows nothing of HTTP, NATS or storage.
package wire

// Limits of one body.
const (
	MaxBody  = 256 << 10 // bytes, unless configured otherwise
	MaxDepth = 32        // levels of arrays and objects
	MaxLines = 1000      // lines of an order
)
