// Command wampgate is an HTTP gateway for WAMP remote procedures with the WAMP
// dealer inside.
//
//	wampgate dev                              a gateway with sample procedures
//	wampgate serve -c wampgate.yaml           a gateway for production
//	wampgate check-config -c wampgate.yaml    what serve would run with
//	wampgate openapi export                   what you may call, as an OpenAPI document
//	wampgate openapi check pets.yaml          could a gateway serve the document
//	wampgate openapi diff old.yaml new.yaml   what has changed, and what breaks clients
//	wampgate config schema                    a JSON Schema of the configuration file
//	wampgate call demo.add 2 3                call a procedure over HTTP
//	wampgate register my.hello -- cat         make a command a procedure
//	wampgate procs                            list the procedures of a realm
//	wampgate ps                               list the sessions of a realm
//	wampgate kill 4711                        end a session
//	wampgate calls ls                         list persistent calls; also show, cancel
//	wampgate deadletters ls                   list those given up; also retry, discard
//	wampgate transactions ls                  list transactions; also show, rollback, force-end
//	wampgate health                           is the gateway alive
//	wampgate hash-password                    what the configuration keeps of a password
//	wampgate keygen ada.key                   a key pair for cryptosign
//	wampgate token                            make an API key
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
	os.Exit(run(untilSignal(), process{
		Args: os.Args[1:], Env: os.Environ(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}

// untilSignal returns a context that ends with the first signal. By then the
// next one has its default effect again: that the program says it is ending is
// a promise that a further signal ends it at once.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel()
	}()
	return ctx
}
