package problem

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A row of the table says how the errors of some URIs are answered. Retry is
// the verdict for an error that the dealer or the gateway made before a callee
// saw the call; what is known when it came later is worked out by retryOf.
type row struct {
	status int
	retry  Retry
	uris   []wamp.URI
}

// table is the contract between WAMP errors and HTTP. The first row that holds
// a URI counts; URIs that stand nowhere are handled by statusOf.
func table() []row {
	return []row{
		{http.StatusBadRequest, RetryNo, []wamp.URI{
			wamp.ErrInvalidURI, wamp.ErrInvalidArgument, wamp.ErrInvalidPayload, wamp.ErrOptionNotAllowed,
		}},
		{http.StatusUnauthorized, RetryNo, []wamp.URI{
			wamp.ErrAuthenticationDenied, wamp.ErrAuthenticationRequired, wamp.ErrNoMatchingAuthMethod, wamp.ErrNoSuchPrincipal,
		}},
		{http.StatusForbidden, RetryNo, []wamp.URI{
			wamp.ErrNotAuthorized, wamp.ErrAuthorizationDenied, wamp.ErrAuthorizationRequired, wamp.ErrNoSuchRole,
			wamp.ErrOptionDisallowedMe, wamp.ErrDiscloseMeNotAllowed,
		}},
		{http.StatusNotFound, RetrySafe, []wamp.URI{
			wamp.ErrNoSuchProcedure, wamp.ErrNoSuchRegistration, wamp.ErrNoSuchSession, wamp.ErrNoSuchSubscription, wamp.ErrNoSuchRealm, wamp.ErrNoSuchCall,
			wamp.ErrNoSuchTransaction,
		}},
		{http.StatusTooManyRequests, RetrySafe, []wamp.URI{wamp.ErrRateLimited}},
		{http.StatusConflict, RetryNo, []wamp.URI{
			wamp.ErrProcedureAlreadyExists, wamp.ErrIdempotencyConflict, wamp.ErrNotTransactional, wamp.ErrTransactionEnded, wamp.ErrDangling,
		}},
		{http.StatusRequestEntityTooLarge, RetryNo, []wamp.URI{wamp.ErrPayloadSizeExceeded}},
		{http.StatusBadGateway, RetryUnknown, []wamp.URI{wamp.ErrCanceled, wamp.ErrCancelled, wamp.ErrNetworkFailure, wamp.ErrUpstream, wamp.ErrDeadLettered}},
		{http.StatusGatewayTimeout, RetryUnknown, []wamp.URI{wamp.ErrTimeout, wamp.ErrExpired}},
		{http.StatusNotImplemented, RetryNo, []wamp.URI{wamp.ErrFeatureNotSupported}},
		{http.StatusServiceUnavailable, RetrySafe, []wamp.URI{
			wamp.ErrUnavailable, wamp.ErrNoAvailableCallee, wamp.ErrNoEligibleCallee,
		}},
		{http.StatusInternalServerError, RetrySafe, []wamp.URI{wamp.ErrAuthenticationFailed, wamp.ErrAuthorizationFailed}},
		{http.StatusInternalServerError, RetryNo, []wamp.URI{wamp.ErrProtocolViolation, wamp.ErrRuntimeError}},
	}
}

// statusOf returns the status for a failure, and the verdict for one before
// dispatch.
func statusOf(f Failure) (status int, retry Retry) {
	uri := f.URI
	for _, r := range table() {
		if slices.Contains(r.uris, uri) {
			return r.status, r.retry
		}
	}
	switch {
	case strings.HasPrefix(string(uri), "wamp.close."):
		return http.StatusServiceUnavailable, RetrySafe
	case uri.Reserved():
		return http.StatusInternalServerError, RetryNo
	}
	if f.Declared != 0 {
		return f.Declared, RetryNo
	}
	if !f.Literal {
		status = applicationStatus(uri)
	}
	return cmp.Or(status, f.Default, http.StatusInternalServerError), RetryNo
}

// applicationStatus guesses the status for an application's own error URI from
// its last component; 0 when that says nothing.
func applicationStatus(uri wamp.URI) int {
	last := string(uri[strings.LastIndexByte(string(uri), '.')+1:])
	switch last {
	case "not_found":
		return http.StatusNotFound
	case "already_exists", "conflict":
		return http.StatusConflict
	case "forbidden", "denied":
		return http.StatusForbidden
	case "gone":
		return http.StatusGone
	case "invalid", "bad_request":
		return http.StatusBadRequest
	case "rate_limited", "too_many_requests":
		return http.StatusTooManyRequests
	case "unavailable":
		return http.StatusServiceUnavailable
	case "timeout":
		return http.StatusGatewayTimeout
	case "unsupported", "not_implemented":
		return http.StatusNotImplemented
	}
	if strings.HasPrefix(last, "invalid_") {
		return http.StatusBadRequest
	}
	return 0
}
