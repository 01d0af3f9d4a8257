//go:build !race

package main_test

// withRace: the programs under test are built as this test was.
const withRace = false
