package gateway

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// transactionsPath is where transactions are. Nothing of them is kept here:
// each request is a call of a procedure wampgate.tx.* in the name of its client.
const transactionsPath = "/transactions"

const (
	maxTransactions      = 1000 // in a list
	transactionProcedure = "wampgate.tx."

	transactionTimeout    = time.Minute // of one that does not say
	maxTransactionTimeout = time.Hour
	transactionMargin     = 5 * time.Second
)

// transactionStates lists the states that a list can be asked for.
func transactionStates() []string {
	return []string{"active", "committing", "committed", "aborting", "aborted", "forced"}
}

// routeTransactions adds what is below /transactions.
func (g *Gateway) routeTransactions(r chi.Router) {
	if !g.cfg.Transactions {
		return
	}
	r.Post(transactionsPath, g.handle(g.admitted(g.newTransaction)))
	g.get(r, transactionsPath, g.reads(g.listTransactions))
	g.get(r, transactionsPath+"/{id}", g.reads(g.showTransaction))
	r.Post(transactionsPath+"/{id}/commit", g.handle(g.reads(g.endTransaction("commit"))))
	r.Post(transactionsPath+"/{id}/rollback", g.handle(g.reads(g.endTransaction("rollback"))))
}

// A transactionSpec is the body of POST /transactions. With calls it is all of
// a transaction, otherwise the begin of one.
type transactionSpec struct {
	Mode    *string           `json:"mode,omitempty"`
	Timeout *float64          `json:"timeout,omitempty"` // ms; 1.0 is an integer in JSON
	ID      *string           `json:"id,omitempty"`
	Calls   []transactionCall `json:"calls,omitzero"`
}

// A transactionCall is a branch of a transaction.
type transactionCall struct {
	Procedure wamp.URI        `json:"procedure"`
	Args      json.RawMessage `json:"args,omitempty"`
	Kwargs    json.RawMessage `json:"kwargs,omitempty"`
}

// check says what is wrong with a transaction that the coordinator would not
// see: by then a number is its nearest integer or nothing, and an id no path.
func (s *transactionSpec) check() error {
	switch {
	case s.Mode != nil && *s.Mode == "":
		return badBody(`the member mode must be "saga" or "tcc"; leave it out for calls of either kind`)
	case s.ID != nil && (*s.ID == "" || strings.Trim(*s.ID, ".") == ""):
		return badBody("the member id must have a character that is no dot, since it is part of a path")
	case s.Timeout != nil && (*s.Timeout != math.Trunc(*s.Timeout) || *s.Timeout < 1 || *s.Timeout > float64(maxTransactionTimeout.Milliseconds())):
		return badBody("the member timeout must be whole milliseconds, at most " + maxTransactionTimeout.String())
	}
	for i := range s.Calls {
		if c := &s.Calls[i]; string(c.Args) == "null" || string(c.Kwargs) == "null" {
			return badBody("calls[" + strconv.Itoa(i) + "]: args must be a list and kwargs an object; leave out what there is none of")
		}
	}
	return nil
}

// newTransaction answers POST /transactions: with 201 when a transaction has
// begun, and with 200 and the results when one with calls is committed.
func (g *Gateway) newTransaction(w http.ResponseWriter, r *http.Request) error {
	if err := noOptions(r); err != nil {
		return err
	}
	var spec transactionSpec
	if err := g.readObject(w, r, &spec); err != nil {
		return err
	}
	if fields := r.Header["Idempotency-Key"]; fields != nil {
		key, err := parseIdempotencyKey(r.Method, fields)
		switch {
		case err != nil:
			return err
		case spec.ID != nil && *spec.ID != key:
			return badKey("and the member id differ; give one of them")
		}
		spec.ID = &key
	}
	if err := spec.check(); err != nil {
		return err
	}
	name, code, wait := "begin", http.StatusCreated, g.cfg.Timeout
	if spec.Calls != nil {
		// Its end is the coordinator's business: it has the time that the
		// transaction has, and what goes with telling of it.
		name, code, wait = "run", http.StatusOK, transactionTimeout+transactionMargin
		if spec.Timeout != nil {
			wait = min(time.Duration(*spec.Timeout)*time.Millisecond, g.cfg.MaxTimeout) + transactionMargin
		}
	}
	kwargs, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	answer, err := g.askCoordinator(w, r, name, wait, wamp.Payload{Serializer: wamp.JSON, Kwargs: kwargs})
	if err != nil {
		return err
	}
	var known struct {
		Transaction string `json:"transaction"`
	}
	if json.Unmarshal(answer, &known) == nil && known.Transaction != "" {
		w.Header().Set("Location", transactionsPath+"/"+url.PathEscape(known.Transaction))
	}
	return sendNow(w, code, answer)
}

// listTransactions answers GET /transactions.
func (g *Gateway) listTransactions(w http.ResponseWriter, r *http.Request) error {
	kwargs := wamp.Dict{"limit": int64(maxTransactions)}
	err := readQuery(r.URL.RawQuery, []string{"limit", "state"}, func(name, value string) error {
		if name == "state" {
			if !slices.Contains(transactionStates(), value) {
				return errors.New("want one of " + strings.Join(transactionStates(), ", "))
			}
			kwargs[name] = value
			return nil
		}
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || n < 1 || n > maxTransactions {
			return errors.New("want an integer from 1 to " + strconv.Itoa(maxTransactions))
		}
		kwargs[name] = n
		return nil
	})
	if err != nil {
		return err
	}
	p, err := wamp.NewPayload(wamp.JSON, nil, kwargs)
	if err != nil {
		return err
	}
	list, err := g.askCoordinator(w, r, "list", g.cfg.Timeout, p)
	if err != nil {
		return err
	}
	return sendNow(w, http.StatusOK, map[string]json.RawMessage{"transactions": list})
}

// showTransaction answers GET /transactions/{id}, at once or when the
// transaction has ended.
func (g *Gateway) showTransaction(w http.ResponseWriter, r *http.Request) error {
	prefer, err := readWait(r)
	if err != nil {
		return err
	}
	if prefer.wait > 0 {
		p, err := transactionPayload(r, wamp.Dict{"timeout": prefer.wait.Milliseconds()})
		if err != nil {
			return err
		}
		answer, err := g.askCoordinator(w, r, "wait", prefer.wait+transactionMargin, p)
		if prefer.waits {
			prefer.applied(w.Header())
		}
		if p, ok := errors.AsType[*problem.Problem](err); !ok || p.URI != wamp.ErrTimeout {
			return sendAnswer(w, answer, err)
		}
	}
	p, err := transactionPayload(r, nil)
	if err != nil {
		return err
	}
	answer, err := g.askCoordinator(w, r, "get", g.cfg.Timeout, p)
	return sendAnswer(w, answer, err)
}

// endTransaction returns what answers POST /transactions/{id}/commit and
// rollback.
func (g *Gateway) endTransaction(name string) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := noOptions(r); err != nil {
			return err
		}
		p, err := transactionPayload(r, nil)
		if err != nil {
			return err
		}
		answer, err := g.askCoordinator(w, r, name, g.cfg.Timeout, p)
		return sendAnswer(w, answer, err)
	}
}

// sendAnswer answers with what the coordinator said.
func sendAnswer(w http.ResponseWriter, answer json.RawMessage, err error) error {
	if err != nil {
		return err
	}
	return sendNow(w, http.StatusOK, answer)
}

// transactionPayload returns the arguments of a procedure whose first one is
// the ID in the path of r.
func transactionPayload(r *http.Request, kwargs wamp.Dict) (wamp.Payload, error) {
	id, err := segment(r, transactionsPath+"/")
	if err != nil {
		return wamp.Payload{}, problem.New(http.StatusBadRequest, uriBadRequest, "the path is not well escaped")
	}
	return wamp.NewPayload(wamp.JSON, []any{id}, kwargs)
}

// askCoordinator calls a procedure of transactions in the name of the client
// and returns the first result, as JSON. The error is a problem, or why nobody
// waits any more.
func (g *Gateway) askCoordinator(w http.ResponseWriter, r *http.Request, name string, wait time.Duration, p wamp.Payload) (json.RawMessage, error) {
	rec := recordOf(w)
	q := &request{procedure: wamp.URI(transactionProcedure + name), payload: p}
	c, err := g.open(rec.who, q.procedure, false)
	if err != nil {
		return nil, err
	}
	defer c.close() //nolint:contextcheck // the CANCEL outlives the request
	rec.began(c)
	c.watch(r)
	e, err := c.ask(r.Context(), wamp.CallOptions{Timeout: wait.Milliseconds()}, p)
	if err != nil {
		return nil, g.forsake(rec, r, c, err) //nolint:contextcheck // the CANCEL outlives the request
	}
	if e.kind == eventFailure {
		return nil, undone(g.failure(w, c, q, e))
	}
	rec.outcome = outcomeOK
	return firstResult(e.payload)
}

// firstResult returns a copy of the first argument of a result, as JSON.
func firstResult(p wamp.Payload) (json.RawMessage, error) {
	p, err := p.Transcode(wamp.JSON)
	var args []json.RawMessage
	if err == nil {
		err = json.Unmarshal(p.Args, &args)
	}
	if err != nil || len(args) == 0 {
		return nil, problem.New(http.StatusBadGateway, wamp.ErrInvalidPayload, "the coordinator of transactions answered in a way that is not understood")
	}
	return args[0], nil
}

// undone makes members of a problem of what it says of its transaction.
func undone(err error) error {
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		return err
	}
	var said problem.Undone
	if json.Unmarshal(p.Kwargs, &said) == nil && said.RolledBack {
		p.Undone = &said
	}
	return err
}
