package authn

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// How fresh the keys of an issuer are.
const (
	keyRefresh   = 15 * time.Minute // age at which keys are fetched again
	keyMaxAge    = 24 * time.Hour   // beyond it they are not used, should fetching fail
	keyMiss      = time.Minute      // between two fetches for keys that are not there
	keyRetry     = 5 * time.Second  // between two tries while there are no keys
	fileCheck    = time.Second      // between two looks at a file
	fetchTimeout = 10 * time.Second
)

// errUnknownKey means that the issuer has no such key.
var errUnknownKey = errors.New("the issuer has no such key")

// A keySet holds the keys of one issuer: from a file, a URL, or where OpenID
// Connect Discovery 1.0 says they are. It has no goroutine. The request that
// finds the keys too old fetches them; others go on with the old ones
// meanwhile, and wait only if there are none.
type keySet struct {
	issuer string // for discovery
	source string // a path or URL; empty means discovery
	client *http.Client

	fetching chan struct{} // holds a token while somebody fetches

	mu      sync.Mutex // guards the following fields
	keys    []signingKey
	fetched time.Time // when keys were; zero means never
	tried   time.Time // to fetch them
	missed  time.Time // when a key was missing and that was the reason to fetch
	tries   uint64
	stamp   fileStamp
	err     error // of the last try
}

// A fileStamp tells versions of a file apart.
type fileStamp struct {
	modified time.Time
	size     int64
}

func newKeySet(issuer, source string, client *http.Client) (*keySet, error) {
	k := &keySet{issuer: issuer, source: source, client: client, fetching: make(chan struct{}, 1)}
	switch {
	case source == "":
		return k, checkURL(issuer)
	case k.isFile():
		return k, nil
	}
	return k, checkURL(source)
}

func (k *keySet) isFile() bool { return k.source != "" && !strings.Contains(k.source, "://") }

// checkURL refuses addresses from which anybody on the way could hand out keys
// of his own.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is not a URL", text)
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%q: keys are fetched over https only, except from this machine", text)
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// find returns the key that a token names, for an algorithm. A token may leave
// the name out if there is one key that fits. The error is errUnknownKey or
// tells why there are no keys.
func (k *keySet) find(ctx context.Context, kid, alg string) (crypto.PublicKey, error) {
	fetched, err := k.refresh(ctx, k.due)
	if err != nil {
		return nil, err
	}
	if key := k.lookUp(kid, alg); key != nil {
		return key, nil
	}
	if fetched {
		return nil, errUnknownKey
	}
	// It may have been added since.
	if _, err := k.refresh(ctx, k.dueForMiss); err != nil {
		return nil, err
	}
	if key := k.lookUp(kid, alg); key != nil {
		return key, nil
	}
	return nil, errUnknownKey
}

func (k *keySet) lookUp(kid, alg string) crypto.PublicKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	var found crypto.PublicKey
	for i := range k.keys {
		key := &k.keys[i]
		if kid != "" && key.id != kid || !key.fits(alg) {
			continue
		}
		if found != nil {
			return nil // which one is meant cannot be told
		}
		found = key.public
	}
	return found
}

// due tells whether to fetch keys, and whether to wait for them. k.mu is held.
func (k *keySet) due(now time.Time) (fetch, wait bool) {
	switch {
	case k.fetched.IsZero() || now.Sub(k.fetched) > keyMaxAge:
		return now.Sub(k.tried) >= keyRetry, true
	case k.isFile():
		return now.Sub(k.tried) >= fileCheck, false
	}
	return now.Sub(k.fetched) >= keyRefresh && now.Sub(k.tried) >= keyMiss, false
}

// dueForMiss is due for a key that is not there.
func (k *keySet) dueForMiss(now time.Time) (fetch, wait bool) {
	interval := keyMiss
	if k.isFile() {
		interval = fileCheck
	}
	if now.Sub(k.missed) < interval {
		return false, false
	}
	k.missed = now
	return true, true
}

// usable reports whether there are keys. k.mu is held.
func (k *keySet) usable(now time.Time) bool {
	return !k.fetched.IsZero() && now.Sub(k.fetched) <= keyMaxAge
}

// refresh fetches the keys if due says so, or waits for somebody else who does,
// and reports whether that was so. The error is that there are none.
func (k *keySet) refresh(ctx context.Context, due func(time.Time) (fetch, wait bool)) (fetched bool, err error) {
	now := time.Now()
	k.mu.Lock()
	fetch, wait := due(now)
	usable, tries, err := k.usable(now), k.tries, k.err
	k.mu.Unlock()
	switch {
	case usable && !fetch:
		return false, nil
	case !usable && !fetch && err != nil:
		return false, err // of a moment ago
	}
	select {
	case k.fetching <- struct{}{}:
	default:
		if !wait {
			return false, nil
		}
		select {
		case k.fetching <- struct{}{}:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	defer func() { <-k.fetching }()
	k.mu.Lock()
	if !fetch || k.tries != tries { // somebody else has
		defer k.mu.Unlock()
		return true, k.failure(time.Now())
	}
	k.mu.Unlock()
	return true, k.fetch(ctx)
}

// fetch gets the keys. k.fetching is held.
func (k *keySet) fetch(ctx context.Context) error {
	k.mu.Lock()
	k.tries, k.tried = k.tries+1, time.Now()
	stamp := k.stamp
	k.mu.Unlock()

	// One client that hangs up must not leave the others without keys.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	keys, stamp, err := k.load(ctx, stamp)

	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if k.err = err; err == nil {
		k.fetched, k.stamp = now, stamp
		if keys != nil {
			k.keys = keys
		}
	}
	return k.failure(now)
}

// failure returns why there are no keys, nil if there are. k.mu is held.
func (k *keySet) failure(now time.Time) error {
	if k.usable(now) {
		return nil // the old ones will do
	}
	return k.err
}

// load gets the keys from where they are; nil if they are what they were.
func (k *keySet) load(ctx context.Context, known fileStamp) ([]signingKey, fileStamp, error) {
	if k.isFile() {
		return k.loadFile(known)
	}
	source := k.source
	if source == "" {
		var err error
		if source, err = k.discover(ctx); err != nil {
			return nil, known, err
		}
	}
	data, err := k.get(ctx, source)
	if err != nil {
		return nil, known, err
	}
	keys, err := parseKeySet(data)
	if err != nil {
		return nil, known, fmt.Errorf("%s: %w", source, err)
	}
	return keys, known, nil
}

func (k *keySet) loadFile(known fileStamp) ([]signingKey, fileStamp, error) {
	info, err := os.Stat(k.source)
	if err != nil {
		return nil, known, fmt.Errorf("keys for tokens: %w", err)
	}
	stamp := fileStamp{info.ModTime(), info.Size()}
	if stamp == known {
		return nil, known, nil
	}
	if info.Size() > maxKeySet {
		return nil, known, fmt.Errorf("keys for tokens: %s is larger than %d bytes", k.source, maxKeySet)
	}
	data, err := os.ReadFile(k.source)
	if err != nil {
		return nil, known, fmt.Errorf("keys for tokens: %w", err)
	}
	keys, err := parseKeySet(data)
	if err != nil {
		return nil, known, fmt.Errorf("%s: %w", k.source, err)
	}
	return keys, stamp, nil
}

// discover asks the issuer where its keys are (OpenID Connect Discovery 1.0,
// section 4).
func (k *keySet) discover(ctx context.Context) (string, error) {
	at := strings.TrimSuffix(k.issuer, "/") + "/.well-known/openid-configuration"
	data, err := k.get(ctx, at)
	if err != nil {
		return "", err
	}
	var document struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return "", fmt.Errorf("%s is not a discovery document: %w", at, err)
	}
	if document.Issuer != k.issuer {
		return "", fmt.Errorf("%s speaks for the issuer %q, not for %q", at, document.Issuer, k.issuer)
	}
	if err := checkURL(document.Keys); err != nil {
		return "", fmt.Errorf("jwks_uri of %s: %w", at, err)
	}
	return document.Keys, nil
}

// get fetches a document.
func (k *keySet) get(ctx context.Context, from string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("keys for tokens: %w", err)
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("keys for tokens: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // nothing to learn from it
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("keys for tokens: %s answers %s", from, resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	if err != nil {
		return nil, fmt.Errorf("keys for tokens: %s: %w", from, err)
	}
	if len(data) > maxKeySet {
		return nil, fmt.Errorf("keys for tokens: %s is larger than %d bytes", from, maxKeySet)
	}
	return data, nil
}

// keyClient returns an HTTP client for keys: with timeouts, and without
// following redirects to where keys may not come from.
func keyClient() *http.Client {
	return &http.Client{
		Timeout: fetchTimeout,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: fetchTimeout / 2}).DialContext,
			ForceAttemptHTTP2:     true,
			DisableKeepAlives:     true, // a fetch each quarter of an hour
			TLSHandshakeTimeout:   fetchTimeout / 2,
			ResponseHeaderTimeout: fetchTimeout,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > 3 {
				return errors.New("too many redirects")
			}
			return checkURL(req.URL.String())
		},
	}
}
