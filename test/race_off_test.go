//go:build !race

package test

// raced tells that the race detector is on: then it is in the binary too.
const raced = false
