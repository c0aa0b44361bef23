// Package test holds wampgate's tests from the outside, and what guards the
// shape of the repository: the map of floors, README.md. Its tests say what
// they need and where it comes from.
package test
