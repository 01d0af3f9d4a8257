package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// Example is one line of the examples in a help text.
type Example struct {
	Command string // "waybill orders list"
	Line    string
	Output  bool // the command has --output
}

// Help is what a command without commands below it says of itself.
type Help struct{ Command, Short, Example string }

// Tree lists all commands that can be run, and all examples.
func Tree() (helps []Help, examples []Example) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.HasSubCommands() {
			return
		}
		helps = append(helps, Help{c.CommandPath(), c.Short, c.Example})
		for line := range strings.Lines(c.Example) {
			examples = append(examples, Example{Command: c.CommandPath(), Line: strings.TrimSpace(line), Output: c.Flag("output") != nil})
		}
	}
	walk(newRoot(&app{}))
	return helps, examples
}
