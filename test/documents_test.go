package test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/openapi"
	"github.com/wampgate/wampgate/openapi/validate"
)

// A published document is one that somebody else published, in an npm package.
type published struct {
	name       string
	pkg, sum   string // with its version; SHA-256 of the package
	file       string // in the package
	operations int
}

// publishedDocuments are served as they stand.
func publishedDocuments() []published {
	return []published{
		{"github", "@octokit/openapi@23.0.2", "71a18407dd5e8464f4e0525daf03deabbe65abd9287d6adc7b5d98f516cd0d0c", "package/generated/api.github.com.json", 1223},
		{"blockfrost", "@blockfrost/openapi@0.1.93", "df98afcbc73a8a74acd5be2a3bc7e8daa35384cd845ad576c5b215e84b99c155", "package/openapi.yaml", 129},
		{"figma", "@figma/rest-api-spec@0.43.0", "208361544008cc68250678a717665d10e32194deddb1fac0c276ef6ab16582f6", "package/openapi/openapi.yaml", 54},
	}
}

// read returns the text of a document, whose package is fetched on first use.
func (d *published) read(t *testing.T) []byte {
	t.Helper()
	const leftOut = "the documents of others, served as they stand"
	npm := tool(t, "npm", leftOut)
	archive, err := d.fetch(npm)
	if err != nil {
		without(t, fmt.Sprintf("package %s (%v)", d.pkg, err), leftOut)
	}
	text, err := entryOf(archive, d.file)
	if err != nil {
		t.Fatalf("%s of %s: %v", d.file, d.pkg, err)
	}
	return text
}

// fetch returns the package, from the cache if it is there.
func (d *published) fetch(npm string) ([]byte, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	unlock, err := lock(filepath.Join(cache, "documents.lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	path := filepath.Join(cache, "document-"+d.name+"-"+d.sum[:16]+".tgz")
	if archive, err := os.ReadFile(path); err == nil && sumOf(archive) == d.sum {
		return archive, nil
	}
	dir, err := os.MkdirTemp(cache, "document-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if out, err := exec.Command(npm, "pack", d.pkg, "--silent", "--pack-destination", dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("npm pack left %q", found)
	}
	archive, err := os.ReadFile(found[0])
	if err != nil {
		return nil, err
	}
	if got := sumOf(archive); got != d.sum {
		return nil, fmt.Errorf("the package is not what it was: SHA-256 %s", got)
	}
	return archive, os.Rename(found[0], path)
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// entryOf returns a file of an archive.
func entryOf(archive []byte, name string) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(z); ; {
		header, err := r.Next()
		if err != nil {
			return nil, err
		}
		if header.Name == name {
			return io.ReadAll(r)
		}
	}
}

// TestPublishedDocuments serves documents of others as they stand, with a stub
// for a callee. Of each operation one request that is as the document has it
// reaches the stub, and one that is not is refused, where there can be one.
func TestPublishedDocuments(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("left out with -short: documents of others")
	}
	dir := t.TempDir()
	config := "anonymous: true\nrate: 0\nmax-registrations: 10\nopenapi:\n"
	documents := map[string]*openapi.Document{}
	for _, d := range publishedDocuments() {
		text := d.read(t)
		path := filepath.Join(dir, d.name+filepath.Ext(d.file))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		config += fmt.Sprintf("  - {file: %q, prefix: /api/%s, procedure: stub.%s, body: whole}\n", path, d.name, d.name)
		doc, err := openapi.Load(d.name, text, openapi.Mapping{Procedure: "stub." + d.name, WholeBody: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(doc.Operations) != d.operations {
			t.Errorf("%s: %d operations, want %d", d.name, len(doc.Operations), d.operations)
		}
		documents[d.name] = doc
	}
	g := serve(t, config, nil)
	for _, d := range publishedDocuments() {
		line := g.wantLog(soon(t), t, 0, "OpenAPI document is served", "name="+d.name)
		t.Log(regexp.MustCompile(`(name|took|operations)=\S+`).FindAllString(line, -1))
	}
	t.Log(memoryOf(g.cmd.Process.Pid))
	stub := startStub(t, g)
	operations, refused := 0, 0
	for name, doc := range documents {
		checks, err := validate.Compile(doc, false)
		if err != nil {
			t.Fatal(err)
		}
		for i := range doc.Operations {
			r := &documentRequests{t: t, gateway: g, prefix: "/api/" + name, op: &doc.Operations[i], checks: checks[i], sampler: openapi.NewSampler(doc)}
			r.valid(stub)
			operations++
			if r.invalid(stub) {
				refused++
			}
		}
	}
	t.Logf("%d operations reached, %d refused what is not valid", operations, refused)
	if operations < 500 || refused < operations/2 {
		t.Errorf("%d operations, %d with an invalid request", operations, refused)
	}
}

// memoryOf tells how much memory a process has, and has had.
func memoryOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "memory: not known on this system"
	}
	return strings.Join(regexp.MustCompile(`Vm(RSS|HWM):\s*\d+ kB`).FindAllString(string(text), -1), ", ")
}

// A stub is a callee of everything below "stub.". It answers with the
// procedure and the arguments.
type stub struct {
	calls atomic.Int64
}

func startStub(t *testing.T, g *gateway) *stub {
	t.Helper()
	conn, err := transport.Dial(soon(t), "ws://"+g.addr+"/ws", wamp.JSON, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Join(soon(t), &wamp.Hello{Realm: "realm1", Details: wamp.Dict{"roles": wamp.Dict{"callee": wamp.Dict{"features": wamp.Dict{"pattern_based_registration": true}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Send(&wamp.Register{Request: 1, Options: wamp.RegisterOptions{Match: wamp.MatchPrefix}, Procedure: "stub."}); err != nil {
		t.Fatal(err)
	}
	s := &stub{}
	registered, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		s.answer(conn, registered)
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	select {
	case <-registered:
	case <-done:
		t.Fatal("the stub could not register")
	}
	return s
}

func (s *stub) answer(conn *transport.Conn, registered chan<- struct{}) {
	for {
		m, err := conn.Receive(context.Background())
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *wamp.Registered:
			close(registered)
		case *wamp.Invocation:
			s.calls.Add(1)
			kwargs := m.Payload.Kwargs
			if kwargs == nil {
				kwargs = []byte("{}")
			}
			name, err := wamp.JSON.AppendValue(nil, string(m.Details.Procedure))
			if err != nil {
				return
			}
			answer := wamp.Payload{Serializer: wamp.JSON, Args: wamp.JSON.AppendList(nil, name, kwargs)}
			if conn.Send(&wamp.Yield{Request: m.Request, Payload: answer}) != nil {
				return
			}
		}
	}
}

// documentRequests makes requests for one operation.
type documentRequests struct {
	t       *testing.T
	gateway *gateway
	prefix  string
	op      *openapi.Operation
	checks  *validate.Operation
	sampler *openapi.Sampler
}

// A madeRequest is what a request is made of.
type madeRequest struct {
	parameters map[string]any // by place and name, such as "query limit"
	media      string
	body       any // nil: none
	noBody     bool
}

// make returns a request with all that the operation demands.
func (r *documentRequests) make() madeRequest {
	m := madeRequest{parameters: map[string]any{}, noBody: true}
	requests := r.sampler.Requests()
	for i := range r.op.Parameters {
		p := &r.op.Parameters[i]
		if !p.Required {
			continue
		}
		m.parameters[p.In+" "+p.Name] = "text"
		if p.Schema != "" {
			m.parameters[p.In+" "+p.Name] = requests.Schema(p.Schema)
		}
	}
	if r.op.Body == nil || len(r.op.Body.Content) == 0 {
		return m
	}
	at := 0
	for i, c := range r.op.Body.Content {
		if openapi.JSONMedia(c.Media) {
			at = i
			break
		}
	}
	content := r.op.Body.Content[at]
	m.media, m.noBody, m.body = strings.ReplaceAll(content.Media, "*", "plain"), false, "text"
	if content.Schema != "" {
		m.body = requests.Schema(content.Schema)
		if len(r.checks.Body[at].Check(asRead(r.t, m.body))) > 0 { // less is more than one form
			m.body = r.sampler.Schema(content.Schema)
		}
	}
	return m
}

// asRead returns a value as it is read from JSON.
func asRead(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	var read any
	if err := decoder.Decode(&read); err != nil {
		t.Fatal(err)
	}
	return read
}

// send makes an HTTP request of a made one.
func (r *documentRequests) send(m madeRequest) (int, []byte) {
	r.t.Helper()
	path, query, header := r.op.Path, url.Values{}, http.Header{}
	for i := range r.op.Parameters {
		p := &r.op.Parameters[i]
		v, given := m.parameters[p.In+" "+p.Name]
		if !given {
			continue
		}
		switch texts := textsOf(v); p.In {
		case openapi.InPath:
			for i := range texts {
				texts[i] = url.PathEscape(texts[i])
			}
			path = strings.ReplaceAll(path, "{"+p.Name+"}", strings.Join(texts, ","))
		case openapi.InQuery:
			if !p.Explode {
				texts = []string{strings.Join(texts, ",")}
			}
			query[p.Name] = texts
		case openapi.InHeader:
			header.Set(p.Name, strings.Join(texts, ","))
		}
	}
	var body io.Reader = http.NoBody
	if !m.noBody {
		body, header["Content-Type"] = r.encode(&m), []string{m.media}
	}
	request, err := http.NewRequestWithContext(soon(r.t), r.op.Method, "http://"+r.gateway.addr+r.prefix+path+"?"+query.Encode(), body)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, text
}

// encode writes the body in its media type.
func (r *documentRequests) encode(m *madeRequest) io.Reader {
	object, isObject := m.body.(map[string]any)
	switch {
	case openapi.JSONMedia(m.media):
		text, err := json.Marshal(m.body)
		if err != nil {
			r.t.Fatal(err)
		}
		return bytes.NewReader(text)
	case m.media == "application/x-www-form-urlencoded" && isObject:
		values := url.Values{}
		for name, v := range object {
			values[name] = textsOf(v)
		}
		return strings.NewReader(values.Encode())
	case m.media == "multipart/form-data" && isObject:
		m.media += "; boundary=b"
		var b strings.Builder
		for name, v := range object {
			for _, text := range textsOf(v) {
				fmt.Fprintf(&b, "--b\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", name, text)
			}
		}
		return strings.NewReader(b.String() + "--b--\r\n")
	}
	return strings.NewReader(fmt.Sprint(m.body))
}

// textsOf writes a value as the texts of its elements.
func textsOf(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var texts []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			texts = append(texts, s)
			continue
		}
		b, _ := json.Marshal(e)
		texts = append(texts, string(b))
	}
	return texts
}

// valid sends what the document demands, which reaches the stub.
func (r *documentRequests) valid(s *stub) {
	r.t.Helper()
	before := s.calls.Load()
	status, body := r.send(r.make())
	if status/100 != 2 || s.calls.Load() != before+1 {
		r.t.Errorf("%s %s%s: %d %s", r.op.Method, r.prefix, r.op.Path, status, body)
		return
	}
	var answer struct{ Args []json.RawMessage }
	if len(body) == 0 {
		return // HEAD
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Args) != 2 || string(answer.Args[0]) != `"`+string(r.op.Call.Procedure)+`"` {
		r.t.Errorf("%s %s: the stub was called as %s, want %s", r.op.Method, r.op.Path, body, r.op.Call.Procedure)
	}
}

// invalid sends what the document does not allow, which does not reach the
// stub. It reports false if there is nothing that could be sent so.
func (r *documentRequests) invalid(s *stub) bool {
	r.t.Helper()
	m := r.make()
	if !r.spoil(&m) {
		return false
	}
	before := s.calls.Load()
	status, body := r.send(m)
	if status != http.StatusBadRequest && status != http.StatusUnprocessableEntity || s.calls.Load() != before || !bytes.Contains(body, []byte(`"errors":[{`)) {
		r.t.Errorf("%s %s%s with %+v: %d %s", r.op.Method, r.prefix, r.op.Path, m, status, body)
	}
	return true
}

// spoil makes a request that is not as the document has it.
func (r *documentRequests) spoil(m *madeRequest) bool {
	for i := range r.op.Parameters {
		p := &r.op.Parameters[i]
		const odd = "~ no such value ~"
		if p.In != openapi.InCookie && p.In != openapi.InHeader && !p.Shape.Kinds.Has(openapi.Array|openapi.Object) && !p.AllowEmpty && len(r.checks.Parameters[i].Check(odd)) > 0 {
			m.parameters[p.In+" "+p.Name] = odd
			return true
		}
	}
	if !m.noBody && openapi.JSONMedia(m.media) {
		at := openapi.Match(r.op.Body.Content, m.media)
		for _, odd := range []any{nil, true, json.Number("1.5"), "x", []any{}, map[string]any{}} {
			if len(r.checks.Body[at].Check(odd)) > 0 {
				m.body = odd
				return true
			}
		}
	}
	for i := range r.op.Parameters {
		if p := &r.op.Parameters[i]; p.Required && p.In == openapi.InQuery {
			delete(m.parameters, p.In+" "+p.Name)
			return true
		}
	}
	if r.op.Body != nil && r.op.Body.Required {
		m.noBody = true
		return true
	}
	return false
}
