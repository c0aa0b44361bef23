package gateway

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/gateway/problem"
	"github.com/wampgate/wampgate/web"
)

// docsPath is where the page is that calls and documents; its files are below.
const docsPath = "/docs"

// docsPolicy lets the page load its own files and talk to this gateway, and
// nothing else. Its style sheets hold pictures as data: URLs.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docs serves the page and its files. They are the same for everybody and hold
// nothing of the realm, which the page asks for with the credentials of
// whoever uses it; so they need none. The zero value is ready.
type docs struct {
	load  sync.Once // the first request does
	index *docsFile
	files map[string]*docsFile
	// version stands for the content of all files. It is part of their paths,
	// so that they can be kept for ever and never mix with those of another
	// release.
	version string
	err     error
}

// A docsFile is a file in both forms that it is sent in.
type docsFile struct {
	media         string
	plain, zipped []byte
	tag           string // ETag of plain
}

// page answers GET /docs.
func (d *docs) page(w http.ResponseWriter, r *http.Request) error {
	if d.load.Do(d.read); d.err != nil {
		return d.err
	}
	d.index.send(w, r, "no-cache")
	return nil
}

// file answers GET /docs/{version}/{file}.
func (d *docs) file(w http.ResponseWriter, r *http.Request) error {
	if d.load.Do(d.read); d.err != nil {
		return d.err
	}
	file, ok := d.files[chi.URLParam(r, "file")]
	if !ok || chi.URLParam(r, "version") != d.version {
		return problem.New(http.StatusNotFound, uriNotFound, "the page at "+docsPath+" has no such file")
	}
	file.send(w, r, "public, max-age=31536000, immutable")
	return nil
}

// read makes what is sent of the embedded files.
func (d *docs) read() {
	all := sha256.New()
	d.files = map[string]*docsFile{}
	contents := map[string][]byte{}
	d.err = fs.WalkDir(web.Docs, "docs", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(web.Docs, name)
		contents[path.Base(name)] = content
		all.Write([]byte(strconv.Quote(name)))
		all.Write(content)
		return err
	})
	d.version = hex.EncodeToString(all.Sum(nil)[:6])
	for name, content := range contents {
		if d.err != nil {
			return
		}
		if name == "index.html" {
			d.index, d.err = newDocsFile(name, bytes.ReplaceAll(content, []byte("{{version}}"), []byte(d.version)))
			continue
		}
		d.files[name], d.err = newDocsFile(name, content)
	}
}

func newDocsFile(name string, content []byte) (*docsFile, error) {
	media := map[string]string{
		".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
		".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
	}[path.Ext(name)]
	var zipped bytes.Buffer
	z, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return &docsFile{media: media, plain: content, zipped: zipped.Bytes(), tag: entityTag(content)}, nil
}

// send answers with the file, or that the client has it.
func (f *docsFile) send(w http.ResponseWriter, r *http.Request, caching string) {
	body, tag := f.plain, f.tag
	h := w.Header()
	if acceptsGzip(r.Header.Values("Accept-Encoding")) {
		body, tag = f.zipped, strings.TrimSuffix(tag, `"`)+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	h.Set("Cache-Control", caching)
	h.Add("Vary", "Accept-Encoding")
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if holdsTag(r.Header.Values("If-None-Match"), tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a client that is gone needs no answer
}

// acceptsGzip reports whether Accept-Encoding names gzip (RFC 9110, section
// 12.5.3).
func acceptsGzip(fields []string) bool {
	for element := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		coding, params, _ := strings.Cut(element, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			quality, ok := parseQuality(params)
			return ok && quality > 0
		}
	}
	return false
}
