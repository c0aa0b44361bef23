//go:build !linux

package main

import "os"

// hideTyping is for Linux alone.
func hideTyping(*os.File) (restore func(), ok bool) { return nil, false }
