// Command natsrequest sends one command to Waybill over NATS and prints the answer. It is an example for those who
// write a client; `docs/api.md` explains it.
//
//	go run ./docs/examples/natsrequest SUBJECT IDEMPOTENCY-KEY < body.json
//
// NATS_URL and WAYBILL_KEY say where and who.
package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "natsrequest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want SUBJECT IDEMPOTENCY-KEY, got %q", args)
	}
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	nc, err := nats.Connect(cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer nc.Close()
	request := nats.NewMsg(args[0])
	request.Data = body
	request.Header.Set("Authorization", "Bearer "+os.Getenv("WAYBILL_KEY"))
	request.Header.Set("Idempotency-Key", args[1])
	reply, err := nc.RequestMsg(request, 10*time.Second)
	if err != nil {
		return fmt.Errorf("request %s: %w", args[0], err)
	}
	for name, values := range reply.Header {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, values[0])
	}
	_, err = os.Stdout.Write(append(reply.Data, '\n'))
	return err
}
