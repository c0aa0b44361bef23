package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// uriInput is the error of an item that a call does not take.
const uriInput wamp.URI = "gateway.error.input_refused"

// wampSeq is the header that numbers the items of a call, from 1 on.
const wampSeq = "Wamp-Seq"

// input is the way into a progressive call whose items come in requests of
// their own. Who has the turn may use the other fields.
type input struct {
	turn  chan struct{} // holds a token while an item is being sent
	taken uint64        // items
	final bool          // the last one was taken
}

// An item is one more CALL of a progressive call.
type item struct {
	payload wamp.Payload
	seq     uint64 // 0 if it has no number
	final   bool
}

// readSeq reads the number of an item; 0 if it has none.
func readSeq(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n == 0 {
		return 0, badSeq("must be a number from 1 on")
	}
	return n, nil
}

// callInput answers POST /calls/{id}/input: the body is one more CALL.
func (g *Gateway) callInput(w http.ResponseWriter, r *http.Request) error {
	var it item
	var o options
	err := readQuery(r.URL.RawQuery, []string{"final", "body"}, func(name, value string) (err error) {
		if name == "final" {
			it.final, err = parseBool(value)
			return err
		}
		return o.parseBody(value)
	})
	if err != nil {
		return err
	}
	if it.seq, err = readSeq(r.Header.Get(wampSeq)); err != nil {
		return err
	}
	at, err := g.resourceOf(w, r)
	if err != nil {
		return err
	}
	k, ok := at.(*keptCall)
	if !ok || !k.request.in.streams() {
		return refusedInput("the call takes no more items; one that does begins with POST /call/{procedure}?in=ndjson, Prefer: respond-async and an empty body")
	}
	media, err := parseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if media.body == bodyStream {
		return badMediaType("the body is one item, such as application/json; send more of them one by one")
	}
	b := g.newBuffer()
	defer g.freeBuffer(b)
	if err := g.readBody(w, r, b); err != nil {
		return err
	}
	if it.payload, err = media.payload(b, o.envelope); err != nil {
		return err
	}
	if check := k.request.checkItem(); check != nil {
		if err := check(it.payload); err != nil {
			return err // and the call goes on
		}
	}
	taken, err := k.send(r.Context(), it)
	if err != nil {
		return err
	}
	w.Header().Set(wampSeq, strconv.FormatUint(taken, 10))
	return nothingMore(w)
}

// send submits an item when its turn has come, and returns how many were taken
// so far. An item that was taken before is not sent again, so that a client may
// repeat a request whose answer it missed. The error is a problem, or why ctx
// ended.
func (k *keptCall) send(ctx context.Context, it item) (uint64, error) {
	select {
	case k.input.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, causeOf(ctx)
	}
	defer func() { <-k.input.turn }()
	in := &k.input
	switch {
	case it.seq > 0 && it.seq <= in.taken:
		return in.taken, nil
	case it.seq > in.taken+1:
		return 0, refusedInput(fmt.Sprintf("%s is %d after %d; send what is between first", wampSeq, it.seq, in.taken)).
			With(wampSeq, strconv.FormatUint(in.taken, 10))
	case in.final:
		return 0, refusedInput("the last item of the call was sent before")
	case k.isOver():
		return 0, refusedInput("the call has ended; GET /calls/" + k.id + "/result tells how")
	}
	if err := k.call.submit(ctx, wamp.CallOptions{Progress: !it.final}, it.payload); err != nil {
		return 0, err
	}
	in.taken++
	in.final = it.final
	return in.taken, nil
}

// refusedInput is the problem of an item that the call does not take.
func refusedInput(why string) *problem.Problem {
	return problem.New(http.StatusConflict, uriInput, why)
}

// badSeq is the problem of a number that cannot be.
func badSeq(why string) *problem.Problem {
	return problem.New(http.StatusBadRequest, uriBadRequest, "the header "+wampSeq+" "+why)
}
