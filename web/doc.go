// Package web holds what browsers get, as embedded files: the page at /docs,
// plain ES modules without a build step, and the library that it shows the API
// reference with. Who serves them, and under which rules, is package gateway's.
package web

import "embed"

// Docs has the files of the page in its folder docs, flat. index.html names the
// others below a folder {{version}}, for whoever serves them to fill in.
//
//go:embed docs
var Docs embed.FS
