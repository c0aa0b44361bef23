package gateway

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/openapi"
	"github.com/wampgate/wampgate/openapi/generate"
	"github.com/wampgate/wampgate/openapi/validate"
)

// The bounds of what is kept of documents.
const (
	documentProcedures = 2000                   // in a document; the oldest registrations
	documentAge        = 100 * time.Millisecond // during which a principal gets the same one
	keptDocuments      = 64
	keptDocumentBytes  = 32 << 20
	keptReaders        = 4096 // principals whose last document is remembered
)

// A document is what one or more principals may call, in one form.
type document struct {
	text []byte
	tag  string // of its bytes
}

// A reader is who asks for a document, and for which.
type reader struct {
	who     wamp.Identity
	version generate.Version
	yaml    bool
}

// A reading is the document that a reader got.
type reading struct {
	at time.Time
	*document
}

// documents remembers what was generated. Documents are known by what they are
// made of, so that principals who may call the same share one, and a change of
// who may do what needs no notice. The zero value is ready.
type documents struct {
	mu     sync.Mutex // guards the following fields; held while a document is made
	known  map[[sha256.Size]byte]*document
	bytes  int
	recent map[reader]reading
}

// openapi returns what answers GET /openapi.json, or .yaml.
func (g *Gateway) openapi(yaml bool) handlerFunc {
	media := "application/json"
	if yaml {
		media = "application/yaml"
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		version := generate.V31
		err := readQuery(r.URL.RawQuery, []string{"v"}, func(_, value string) error {
			switch value {
			case "3.1":
			case "3.2":
				version = generate.V32
			default:
				return errors.New("want 3.1 or 3.2")
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := acceptable(r, media); err != nil {
			return err
		}
		doc, err := g.documentFor(reader{g.identity(recordOf(w).who), version, yaml})
		if err != nil {
			return err
		}
		sendTagged(w, r, doc.tag, media, doc.text)
		return nil
	}
}

// documentFor returns the document of a reader: the one from a moment ago, or
// one of what there is now.
func (g *Gateway) documentFor(who reader) (*document, error) {
	d := &g.documents
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if last, ok := d.recent[who]; ok && now.Sub(last.at) < documentAge {
		return last.document, nil
	}
	procedures, more := g.callableBy(who.who)
	doc, err := d.of(g.documentConfig(who.version, more), procedures, who.yaml)
	if err != nil {
		return nil, fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	if d.recent == nil || len(d.recent) >= keptReaders {
		d.recent = map[reader]reading{}
	}
	d.recent[who] = reading{now, doc}
	return doc, nil
}

// callableBy lists the procedures that a principal may know of, by URI; more
// says that there are others.
func (g *Gateway) callableBy(who wamp.Identity) (all []generate.Procedure, more bool) {
	for after := wamp.ID(0); ; {
		list, next := g.cfg.Directory.List(who, after, min(maxPage, documentProcedures-len(all)))
		for i := range list {
			p := &list[i]
			all = append(all, generate.Procedure{
				URI: string(p.URI), Match: p.Match.String(), Invoke: p.Invoke.String(),
				Safe: p.Safe || p.Match == wamp.MatchExact && g.safe(p.URI), Description: p.Description,
			})
		}
		if more = next != 0; !more || len(all) >= documentProcedures {
			break
		}
		after = next
	}
	slices.SortFunc(all, func(a, b generate.Procedure) int { return strings.Compare(a.URI+" "+a.Match, b.URI+" "+b.Match) })
	return all, more
}

func (g *Gateway) documentConfig(version generate.Version, more bool) *generate.Config {
	return &generate.Config{
		Version: version, Realm: g.cfg.Realm, Release: g.cfg.Release, Server: g.cfg.PublicURL,
		Routes: g.routesOf, Guarded: g.cfg.Authenticate != nil, Persistent: g.cfg.Durable != nil, More: more,
		Compiles: func(schema any) bool { _, err := validate.Standalone(schema); return err == nil },
	}
}

// routesOf lists the methods that the gateway has for a path template.
func (g *Gateway) routesOf(path string) (methods []string) {
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if g.own.Match(chi.NewRouteContext(), m, path) {
			methods = append(methods, m)
		}
	}
	return methods
}

// of returns the document of procedures, from those that are kept if it is
// among them. d.mu is held.
func (d *documents) of(c *generate.Config, procedures []generate.Procedure, yaml bool) (*document, error) {
	sum := sha256.New()
	part(sum, fmt.Sprint(c.Version, yaml, c.More))
	for i := range procedures {
		p := &procedures[i]
		part(sum, p.URI)
		part(sum, p.Match+p.Invoke+fmt.Sprint(p.Safe))
		part(sum, string(p.Description))
	}
	key := [sha256.Size]byte(sum.Sum(nil))
	if doc := d.known[key]; doc != nil {
		return doc, nil
	}
	text, err := generate.JSON(c, procedures)
	if err == nil && yaml {
		text, err = openapi.YAML(text)
	}
	if err != nil {
		return nil, err
	}
	if d.known == nil || len(d.known) >= keptDocuments || d.bytes+len(text) > keptDocumentBytes {
		d.known, d.bytes, d.recent = map[[sha256.Size]byte]*document{}, 0, nil
	}
	doc := &document{text: text, tag: entityTag(text)}
	d.known[key] = doc
	d.bytes += len(text)
	return doc, nil
}

// part adds a text to a sum such that no other texts add up to the same.
func part(sum hash.Hash, text string) {
	_, _ = fmt.Fprintf(sum, "%d:%s", len(text), text) // a sum takes everything
}
