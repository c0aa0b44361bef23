package gateway

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// trustTransactional is the trust level of a call that is a transaction of its
// own.
const trustTransactional = "transactional"

// maxTransactionID is the longest id of a transaction in bytes.
const maxTransactionID = 255

// branchOption reads an option of calls within a transaction.
func (o *options) branchOption(name, value string) (err error) {
	if o.branch == nil {
		o.branch = new(wamp.BranchOptions)
	}
	if name == "readonly" {
		o.branch.Readonly, err = parseBool(value)
		return err
	}
	if value == "" || len(value) > maxTransactionID {
		return errors.New("want the id of a transaction, as POST /transactions told it")
	}
	o.branch.Transaction = value
	return nil
}

// checkBranch refuses what a call in a transaction cannot be. Its
// Idempotency-Key names it for retries.
func (q *request) checkBranch() error {
	switch {
	case q.branch == nil && q.trust != trustTransactional:
		return nil
	case q.branch != nil && q.branch.Transaction == "":
		return badOption("option readonly is for calls within a transaction: add transaction=ID")
	case q.branch != nil && q.trust != "" && q.trust != trustTransactional:
		return badOption("a call within a transaction is transactional; leave trust out")
	case q.streams():
		return badOption("a call in a transaction has one argument list and one result: leave ?in= and ?stream= out, and ask for JSON")
	case q.prefer.async || q.resume > 0:
		return badOption("a call in a transaction is answered at once: leave Prefer: respond-async and ?resume= out")
	}
	if q.once != "" {
		q.persist = &wamp.KeepOptions{CallID: q.once}
	}
	return nil
}

// transactional reports whether the call is part of a transaction.
func (q *request) transactional() bool { return q.branch != nil || q.trust == trustTransactional }

// callBranch makes a call that is a transaction, or a branch of one.
func (g *Gateway) callBranch(w http.ResponseWriter, r *http.Request, q *request) error {
	if err := g.checkArguments(q, r.Method); err != nil {
		return err
	}
	rec := recordOf(w)
	c, err := g.open(rec.who, q.procedure, false)
	if err != nil {
		return err
	}
	defer c.close()
	rec.began(c)
	if q.branch != nil {
		w.Header().Set("Link", "<"+transactionsPath+"/"+url.PathEscape(q.branch.Transaction)+`>; rel="up"`)
	}
	return g.unary(w, r, c, q)
}

// undoneBy returns what the details of an ERROR say of its transaction; nil if
// they say nothing.
func undoneBy(d wamp.Dict) *problem.Undone {
	back, _ := d.Bool("rolled_back")
	if !back {
		return nil
	}
	u := &problem.Undone{RolledBack: true}
	u.Transaction, _ = d.String("transaction")
	n, _ := d.Int("branch")
	u.Branch = int(n)
	return u
}
