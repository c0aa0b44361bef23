package bind_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/bind"
	"github.com/wampgate/wampgate/openapi"
)

// operation returns the GET of a document with one path.
func operation(tb testing.TB, path, parameters string) *openapi.Operation {
	tb.Helper()
	doc, err := openapi.Load("doc", []byte(`{"openapi":"3.1.0","paths":{"`+path+`":{"get":{"x-wamp-procedure":"p","parameters":`+parameters+`}}}}`), openapi.Mapping{})
	if err != nil {
		tb.Fatal(err)
	}
	return &doc.Operations[0]
}

const (
	colors = `"schema":{"type":"array","items":{"type":"string"}}`
	rgb    = `"schema":{"type":"object","properties":{"R":{"type":"integer"},"G":{"type":"integer"}}}`
)

// TestStyles reads parameters in every style that OpenAPI has, after the
// examples of its section "Style Examples".
func TestStyles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ parameter, path, query, header, want string }{
		{`"in":"path",` + colors, "blue,black", "", "", `["blue","black"]`},
		{`"in":"path","explode":true,` + rgb, "R=100,G=200", "", "", `{"G":200,"R":100}`},
		{`"in":"path",` + rgb, "R,100,G,200", "", "", `{"G":200,"R":100}`},
		{`"in":"path","style":"label",` + colors, ".blue,black", "", "", `["blue","black"]`},
		{`"in":"path","style":"label","explode":true,` + colors, ".blue.black", "", "", `["blue","black"]`},
		{`"in":"path","style":"label","explode":true,` + rgb, ".R=100.G=200", "", "", `{"G":200,"R":100}`},
		{`"in":"path","style":"matrix",` + colors, ";p=blue,black", "", "", `["blue","black"]`},
		{`"in":"path","style":"matrix","explode":true,` + colors, ";p=blue;p=black", "", "", `["blue","black"]`},
		{`"in":"path","style":"matrix","explode":true,` + rgb, ";R=100;G=200", "", "", `{"G":200,"R":100}`},
		{`"in":"path","style":"matrix","schema":{"type":"number"}`, ";p=1.50", "", "", `1.50`},
		{`"in":"path","schema":{"type":"string"}`, "a%2Cb%2Fc", "", "", `"a,b/c"`},
		{`"in":"path","style":"label"`, "x", "", "", `p must begin with '.'`},
		{`"in":"query",` + colors, "", "p=blue&p=black", "", `["blue","black"]`},
		{`"in":"query",` + colors, "", "p%5B%5D=blue&p[]=black", "", `["blue","black"]`},
		{`"in":"query","explode":false,` + colors, "", "p=blue,bl%2Cack", "", `["blue","bl,ack"]`},
		{`"in":"query","style":"spaceDelimited","explode":false,` + colors, "", "p=blue%20bl+ack", "", `["blue","bl","ack"]`},
		{`"in":"query","style":"pipeDelimited","explode":false,` + colors, "", "p=blue%7Cblack|x", "", `["blue","black","x"]`},
		{`"in":"query",` + rgb, "", "R=100&G=200", "", `{"G":200,"R":100}`},
		{`"in":"query","schema":{"type":"object"}`, "", "a=1&b=2&a=3", "", `p has a more than once`},
		{`"in":"query","schema":{"type":"object","additionalProperties":{"type":"string"}}`, "", "a=1&b=2", "", `{"a":"1","b":"2"}`},
		{`"in":"query","explode":false,` + rgb, "", "p=R,100,G,200", "", `{"G":200,"R":100}`},
		{`"in":"query","style":"deepObject",` + rgb, "", "p[R]=100&p%5BG%5D=200", "", `{"G":200,"R":100}`},
		{`"in":"query","style":"deepObject"`, "", "p[a][b]=1&p[a][c][]=2&p[a][c][]=3", "", `{"a":{"b":"1","c":["2","3"]}}`},
		{`"in":"query","style":"deepObject"`, "", "p[a]=1&p[a][b]=2", "", `p has a as a value and as an object`},
		{`"in":"query","content":{"application/json":{}}`, "", "p=%7B%22a%22%3A1.0%7D", "", `{"a":1.0}`},
		{`"in":"query","content":{"application/json":{}}`, "", "p={", "", `p is not valid JSON`},
		{`"in":"query","allowEmptyValue":true,"schema":{"type":"boolean"}`, "", "p", "", `true`},
		{`"in":"query","schema":{"type":["integer","null"]}`, "", "p=", "", `null`},
		{`"in":"query","schema":{"anyOf":[{"type":"integer"},{"type":"string"}]}`, "", "p=007", "", `"007"`},
		{`"in":"query","schema":{"type":"number"}`, "", "p=1e400", "", `1e400`},
		{`"in":"query"`, "", "p=1&p=2", "", `p is given more than once`},
		{`"in":"query","required":true`, "", "", "", `p is missing; it is a query parameter`},
		{`"in":"query"`, "", "q=1&%zz=2", "", `%zz has a bad percent escape, q is no parameter of this operation; there are p`},
		{`"in":"header",` + colors, "", "", "blue , black", `["blue","black"]`},
		{`"in":"header","schema":{"type":"boolean"}`, "", "", "true", `true`},
	} {
		path := "/x"
		request := bind.Request{Query: test.query, Header: http.Header{}}
		if strings.Contains(test.parameter, `"in":"path"`) {
			path, request.Path = "/x/{p}", []string{test.path}
		}
		if test.header != "" {
			request.Header.Set("P", test.header)
		}
		b := bind.New(operation(t, path, `[{"name":"p",`+test.parameter+`}]`))
		values, wrong := b.Parameters(&request)
		got := "absent"
		var faults []string
		for _, v := range wrong {
			faults = append(faults, v.Parameter+" "+v.Detail)
		}
		if faults != nil {
			got = strings.Join(faults, ", ")
		} else if values[0].Given {
			got = string(bind.JSON(values[0].Any))
		}
		if got != test.want {
			t.Errorf("%s of %s?%s: %s, want %s", test.parameter, test.path, test.query, got, test.want)
		}
	}
}

// FuzzParameters reads whatever a query and a path hold: all of it is either
// refused or has a form in every serializer.
func FuzzParameters(f *testing.F) {
	op := operation(f, "/{a}/{b}", `[{"name":"a","in":"path","style":"matrix","explode":true,`+rgb+`},{"name":"b","in":"path","style":"label",`+colors+`},
		{"name":"c","in":"query","style":"deepObject"},{"name":"d","in":"query",`+colors+`},{"name":"e","in":"query","schema":{"type":"object"}},
		{"name":"f","in":"query","content":{"application/json":{}}},{"name":"g","in":"query","schema":{"type":["number","null","boolean"]}}]`)
	binding := bind.New(op)
	f.Add(";R=1", ".a,b", "c[x][y]=1&d=2&e3=4&f=%5B1%5D&g=1e5")
	f.Add("%00", "%ff", "c[]=1&c[][]=2&f={\"a\":1,\"a\":2}&g=-0&=&&%")
	f.Fuzz(func(t *testing.T, a, b, query string) {
		r := bind.Request{Method: "GET", Path: []string{a, b}, Query: query, Header: http.Header{}}
		values, wrong := binding.Parameters(&r)
		payload, more := binding.Payload(&r, values, bind.Body{})
		if len(wrong)+len(more) > 0 {
			return
		}
		if !json.Valid(payload.Kwargs) {
			t.Fatalf("%q", payload.Kwargs)
		}
		if _, err := payload.Transcode(wamp.MsgPack); err != nil {
			t.Errorf("%s: %v", payload.Kwargs, err)
		}
	})
}
