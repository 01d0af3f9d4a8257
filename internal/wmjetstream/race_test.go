//go:build race

package wmjetstream_test

const withRace = true
