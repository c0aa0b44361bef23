package main

import (
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestTransactions lists, shows and ends transactions.
func TestTransactions(t *testing.T) {
	t.Parallel()
	k := startKeeping(t)
	k.want(k.run("transactions", "ls"), exitOK, `^TRANSACTION  OWNER  STATE  STUCK  BEGUN  EXPIRES  ERROR\n$`, "")
	for _, id := range []string{"first", "second"} {
		k.call("wampgate.tx.begin", nil, wamp.Dict{"id": id})
	}
	k.want(k.run("transactions", "ls"), exitOK, `(?m)^first +anonymous +active +false +20\S+Z +20\S+Z +-$`, "")
	k.want(k.run("transactions", "ls", "--state", "committed"), exitOK, `^TRANSACTION .*\n$`, "")
	k.want(k.run("transactions", "ls", "--json", "--limit", "1"), exitOK, `^\{.*"transaction":"\w+".*\}\n$`, "")
	k.want(k.run("transactions", "show", "first"), exitOK,
		`^transaction: +first\nowner: +anonymous\nmode: +-\nstate: +active\nstuck: +false\nbegun: +20\S+Z\nexpires: +20\S+Z\nBRANCH  PROCEDURE .*\n$`, "")
	k.want(k.run("transactions", "rollback", "first"), exitOK, `(?m)^state: +abort(ing|ed)$`, "")
	k.want(k.run("transactions", "show", "third"), exitRefused, `^$`, "wampgate.tx.get: no such transaction\n")
	k.want(k.run("transactions", "force-end", "second", "--reason", "mended by hand"), exitRefused, `^$`, "only the role admin")
	k.want(k.run("transactions", "force-end", "second"), exitUsage, `^$`, "--reason")
}
