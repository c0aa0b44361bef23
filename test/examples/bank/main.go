// Bank is a callee that takes part in transactions of wampgate: accounts in
// PostgreSQL or SQLite, guarded by package barrier. See README.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bank:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// run serves until ctx ends, with a new session whenever one ends.
func run(ctx context.Context) error {
	url := os.Getenv("WAMP_URL")
	if url == "" {
		url = "ws://localhost:8080/ws"
	}
	database := flag.String("db", "bank.db", "file of SQLite, or postgres://…")
	accounts := flag.String("accounts", "alice=100,bob=100", "accounts, which are opened unless they are there")
	var b bank
	flag.StringVar(&b.name, "name", "bank", "what the URIs begin with")
	flag.Float64Var(&b.crash, "crash", 0, "end the process after this share of the work, before the answer (0 to 1)")
	flag.StringVar(&b.slow, "slow", "", "an account for which actions and tries begin a second late")
	flag.Parse()
	b.log = log.New(os.Stdout, b.name+" ", 0)

	var err error
	if b.db, err = open(ctx, *database, *accounts); err != nil {
		return err
	}
	defer b.db.Close() //nolint:errcheck // what was committed is there
	for ctx.Err() == nil {
		err := serve(ctx, url, b.procedures(), func() { b.log.Print("is open") })
		if ctx.Err() == nil {
			b.log.Print(err)
			pause(ctx, 50*time.Millisecond+rand.N(50*time.Millisecond)) //nolint:gosec // spreads load, hides nothing
		}
	}
	return nil
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
