// Command wampgate is an HTTP gateway for WAMP remote procedures with the WAMP
// dealer inside.
//
//	wampgate dev                              a gateway with sample procedures
//	wampgate serve -c wampgate.yaml           a gateway for production
//	wampgate check-config -c wampgate.yaml    what serve would run with
//	wampgate call demo.add 2 3                call a procedure over HTTP
//	wampgate register my.hello -- cat         make a command a procedure
//	wampgate health                           is the gateway alive
//	wampgate version
//
// The first SIGINT or SIGTERM ends a command in good order, a second one at
// once.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from now on a signal has its default effect again
	os.Exit(run(ctx, process{
		Args: os.Args[1:], Env: os.Environ(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}
