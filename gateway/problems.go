package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// problemsPath is where the pages behind the types of problems are.
const problemsPath = "/problems/"

// A problemPage explains one error to people.
type problemPage struct {
	URIs    []wamp.URI
	Meaning string
	Remedy  string
}

// problemPages explains the errors that the gateway and the dealer make.
func problemPages() []problemPage {
	return slices.Concat(requestPages(), streamPages(), accessPages(), calleePages(), dealerPages(), limitPages())
}

// requestPages are about requests that are not what they should be.
func requestPages() []problemPage {
	return []problemPage{
		{
			[]wamp.URI{wamp.ErrInvalidURI},
			"The procedure's name is no WAMP URI.",
			"Write it as components with dots in between, none of them empty. A slash inside is sent as %2F.",
		},
		{
			[]wamp.URI{wamp.ErrInvalidArgument},
			"The arguments are not what the procedure takes.",
			"Compare them with GET /procedures/{uri}. A body that was meant to hold both args and kwargs needs ?body=call.",
		},
		{
			[]wamp.URI{wamp.ErrInvalidPayload},
			"A body cannot be read as what its type says, or a result has no form in what was asked for.",
			"Look at the position in detail. If the source is the callee, ask for another media type with Accept, such as application/msgpack.",
		},
		{
			[]wamp.URI{wamp.ErrOptionNotAllowed},
			"An option of the request is not known, not offered, or does not go together with another.",
			"Options are a closed set, so that none is ever ignored; detail names the nearest one.",
		},
		{[]wamp.URI{uriBadRequest}, "The request contradicts itself.", "Do as detail says."},
		{[]wamp.URI{uriNotFound}, "Nothing is at this path.", "Calls go to POST /call/{procedure}."},
		{
			[]wamp.URI{uriMethod},
			"The path knows other methods: those in the field Allow.",
			"Call with POST. GET, HEAD and QUERY are for procedures whose callees declared them safe; curl -T sends PUT unless told -X POST.",
		},
		{
			[]wamp.URI{uriMediaType},
			"The body is in no form that is taken there.",
			"JSON needs Content-Type: application/json, which curl --json sets.",
		},
		{[]wamp.URI{uriNotAcceptable}, "The Accept field names nothing that the answer can be.", "Take one of those that detail lists."},
		{[]wamp.URI{uriTooLong}, "The path or the query is too long.", "Send arguments in the body of a POST."},
		{[]wamp.URI{uriHeaders}, "The header of the request has too many fields.", "Send fewer than 100."},
		{
			[]wamp.URI{uriMisdirected},
			"The gateway does not serve the host that was asked for.",
			"Use its own name, or set public-url. It keeps web pages from reaching it under names of theirs.",
		},
	}
}

// streamPages are about bodies that stream, and calls that outlive their
// request.
func streamPages() []problemPage {
	return []problemPage{
		{
			[]wamp.URI{uriBadFrame},
			"An item of a streamed body cannot be read, or is too large. The call was canceled.",
			"detail counts the items from 1.",
		},
		{
			[]wamp.URI{uriUploadTruncated},
			"A streamed body broke off or stalled before its end. The call was canceled, and its last part never sent.",
			"Send it again, if the procedure may run twice.",
		},
		{
			[]wamp.URI{uriReplayWindow},
			"The call whose events should go on has ended and is forgotten, or has said so much since that the next event is no longer kept.",
			"GET /calls/{id}/events without Last-Event-ID begins with the oldest that is kept; POST /call/{procedure} without it calls anew.",
		},
		{[]wamp.URI{uriReaderReplaced}, "Another client began to read the events of the call; there is one reader at a time.", "Read them in one place."},
		{[]wamp.URI{uriStillRunning}, "The call has no result yet.", "GET /calls/{id}?wait=30s answers when it has ended."},
		{[]wamp.URI{uriNotKept}, "The answer of the call was too large to be kept.", "Wait for it with the call's own request, or raise max-kept-bytes-each."},
		{
			[]wamp.URI{uriInput},
			"The call takes no such item: it has ended, had its last one, or was not begun with ?in= and Prefer: respond-async; or an item is missing before it.",
			"Wamp-Seq in the answer, if it is there, is the number of the item taken last; send the one after it.",
		},
		{[]wamp.URI{uriKeyInUse}, "The first call with this Idempotency-Key still runs.", "Wait for it at Location, or send the request again later."},
		{[]wamp.URI{uriKeyReused}, "The Idempotency-Key came with another request before.", "Take a new key for each new request, and the same only to repeat one."},
	}
}

// accessPages are about who may do what.
func accessPages() []problemPage {
	return []problemPage{
		{
			[]wamp.URI{wamp.ErrAuthenticationDenied, wamp.ErrAuthenticationRequired, wamp.ErrNoMatchingAuthMethod, wamp.ErrNoSuchPrincipal},
			"It is not known who calls: credentials are missing, wrong or expired.", "Send those that WWW-Authenticate asks for.",
		},
		{
			[]wamp.URI{wamp.ErrNotAuthorized, wamp.ErrAuthorizationDenied, wamp.ErrAuthorizationRequired, wamp.ErrNoSuchRole},
			"Who calls may not do this.", "Ask an operator for a role that may; check-config --explain tells why one may not.",
		},
		{
			[]wamp.URI{wamp.ErrOptionDisallowedMe, wamp.ErrDiscloseMeNotAllowed},
			"The realm tells callees nothing of their callers, or tells it always.",
			"Leave disclose_me out.",
		},
		{
			[]wamp.URI{wamp.ErrAuthenticationFailed, wamp.ErrAuthorizationFailed},
			"The check itself broke, so nobody knows whether this is allowed.",
			"Try again; an operator finds the cause in the log.",
		},
		{[]wamp.URI{uriForbidden}, "A page of another origin may not call.", "Its origin has to be among cors-origins."},
	}
}

// calleePages are about callees over HTTP.
func calleePages() []problemPage {
	return []problemPage{
		{
			[]wamp.URI{wamp.ErrUpstream},
			"The procedure is a webhook, and its server could not be reached or did not answer as it should.",
			"detail says what came back. Whether the server did something nobody knows; the request is not made again by itself.",
		},
		{
			[]wamp.URI{wamp.ErrDeadLettered},
			"All attempts of a persistent call failed, or took their callees along.",
			"An operator finds it with wampgate.deadletter.list, and can have it tried again.",
		},
		{[]wamp.URI{wamp.ErrExpired}, "Nobody got to a persistent call before its expiry.", "Start a callee, and call again."},
		{
			[]wamp.URI{wamp.ErrIdempotencyConflict},
			"The id of a persistent call came before with another procedure or payload.", "Take a new id for each new call.",
		},
		{[]wamp.URI{wamp.ErrNoSuchTransaction}, "There is no transaction with that id, or not one of yours.", "Transactions that have ended are forgotten after a while."},
		{
			[]wamp.URI{wamp.ErrTransactionEnded},
			"The transaction is not active any more: it was committed or rolled back, by its owner or at its timeout.", "GET /transactions/{id} tells what became of it; begin a new one.",
		},
		{
			[]wamp.URI{wamp.ErrNotTransactional},
			"Nothing is registered that would undo the call, so it cannot be part of the transaction.",
			"Register the procedure with the option transaction, or call it with readonly=true if it changes nothing.",
		},
		{
			[]wamp.URI{wamp.ErrDangling},
			"The call came to its callee after its transaction had been rolled back there.", "Nothing was done; begin a new transaction.",
		},
		{[]wamp.URI{wamp.ErrNoSuchCall}, "There is no persistent call with that id, or not one of yours.", "Results are forgotten after durable-retention."},
	}
}

// dealerPages are about calls that found no end.
func dealerPages() []problemPage {
	return []problemPage{
		{[]wamp.URI{wamp.ErrNoSuchProcedure}, "Nobody has registered the procedure.", "See GET /procedures; its callee may be starting."},
		{
			[]wamp.URI{wamp.ErrUnregistered, wamp.ErrNoSuchRegistration, wamp.ErrNoSuchSession, wamp.ErrNoSuchSubscription, wamp.ErrNoSuchRealm},
			"What the call is about is not there.", "It may have ended a moment ago.",
		},
		{[]wamp.URI{wamp.ErrProcedureAlreadyExists}, "Somebody else has registered the procedure.", "Share it with the option invoke, or take another name."},
		{
			[]wamp.URI{wamp.ErrPayloadSizeExceeded},
			"The body, or the result, is larger than may pass.",
			"Stream it: curl -X POST -T - for a body, Accept: text/event-stream or ?stream=raw for a result.",
		},
		{
			[]wamp.URI{wamp.ErrCanceled, wamp.ErrCancelled},
			"The call was canceled: by its caller, by an operator, or because its callee left.",
			"If retry is unknown, the callee may have done the work.",
		},
		{
			[]wamp.URI{wamp.ErrTimeout},
			"No answer came in time. The callee was told to stop, and may have done the work.",
			"Give it longer with ?timeout=, or watch its progress with Accept: text/event-stream.",
		},
		{[]wamp.URI{wamp.ErrFeatureNotSupported}, "The callee cannot do what the call asks for.", "A callee that takes no streams takes a body with ?in=whole."},
		{
			[]wamp.URI{wamp.ErrUnavailable, wamp.ErrNoAvailableCallee, wamp.ErrNoEligibleCallee},
			"No callee can take the call now.",
			"Try again after Retry-After; no callee has seen it.",
		},
		{[]wamp.URI{wamp.ErrNetworkFailure}, "The way to the callee broke.", "If retry is unknown, the callee may have done the work."},
		{[]wamp.URI{wamp.ErrProtocolViolation}, "A peer broke the protocol.", "Its author finds the reason in the log."},
		{[]wamp.URI{wamp.ErrRuntimeError}, "The callee failed in a way that it has no name for.", "Its own log tells more."},
		{
			[]wamp.URI{wamp.CloseSystemShutdown, wamp.CloseNormal, wamp.CloseRealm, wamp.CloseKilled, wamp.CloseGoodbyeAndOut},
			"The gateway's session with the realm ended, mostly because it shuts down.", "Try again after Retry-After, unless retry is unknown and the call must not run twice.",
		},
	}
}

// limitPages are about too much of something.
func limitPages() []problemPage {
	return []problemPage{
		{
			[]wamp.URI{wamp.ErrRateLimited},
			"Too many requests, or too many calls at once, of one principal or address.",
			"Wait for as long as Retry-After says; RateLimit-Policy has the limit.",
		},
		{[]wamp.URI{uriOverloaded}, "The gateway has as much to do as it takes.", "Try again after Retry-After; no callee has seen the call."},
		{[]wamp.URI{uriSlowConsumer}, "The answers were read too slowly, so the call was canceled.", "Read faster, or ask for less."},
		{[]wamp.URI{uriInternal}, "The gateway failed.", "Its log tells why."},
	}
}

// explain returns the page about an error: a general one for those of callees.
func explain(uri wamp.URI) problemPage {
	for _, page := range problemPages() {
		if slices.Contains(page.URIs, uri) {
			return page
		}
	}
	if uri.Reserved() || strings.HasPrefix(string(uri), "gateway.") {
		return problemPage{Meaning: "An error that this release has no words for.", Remedy: "detail, source and retry in the answer tell more."}
	}
	return problemPage{
		Meaning: "An error that a callee has a name of its own for: the application's, not the gateway's.",
		Remedy:  "Its documentation tells more. args and kwargs in the answer are as the callee sent them.",
	}
}

// problemStyle is all that the pages load.
const problemStyle = "body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}code{font-size:1.1em;overflow-wrap:anywhere}"

// problemPolicy lets the style in, which goes by its hash, and nothing else.
func problemPolicy() string {
	sum := sha256.Sum256([]byte(problemStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// problemTemplate returns the page; it escapes what it is given.
func problemTemplate() *template.Template {
	return template.Must(template.New("problem").Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.URI}}</title>
<style>` + problemStyle + `</style>
<h1><code>{{.URI}}</code></h1>
<p>{{.Page.Meaning}}
<p>{{.Page.Remedy}}
<p>In an answer, <code>source</code> tells who failed (gateway, dealer or callee), and <code>retry</code> whether to call again: <code>safe</code>
if no callee saw the call, <code>unknown</code> if one may have done the work, <code>no</code> if it would fail again.
</html>
`))
}

// problems serves the pages. They hold nothing that has to be kept from
// anybody, and who is refused must be able to read why.
func (g *Gateway) problems() handlerFunc {
	page, policy := problemTemplate(), problemPolicy()
	return func(w http.ResponseWriter, r *http.Request) error {
		name, err := segment(r, problemsPath)
		uri := wamp.URI(name)
		if err != nil || !uri.Valid() || strings.ContainsFunc(name, unicode.IsControl) {
			return problem.New(http.StatusNotFound, uriNotFound, "no error has that name")
		}
		var body bytes.Buffer
		if err := page.Execute(&body, struct {
			URI  wamp.URI
			Page problemPage
		}{uri, explain(uri)}); err != nil {
			return err
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Length", strconv.Itoa(body.Len()))
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "public, max-age=3600")
		_, _ = w.Write(body.Bytes()) // a client that is gone needs no answer
		return nil
	}
}
