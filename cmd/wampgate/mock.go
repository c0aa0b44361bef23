package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/bind"
	"github.com/wampgate/wampgate/openapi"
)

// mockPrefix is what the procedures of a mocked document begin with, unless it
// names its own.
const mockPrefix = "mock"

// mockImport is how a mocked document is served.
func mockImport(file string) importSpec {
	base := filepath.Base(file)
	return importSpec{Name: strings.TrimSuffix(base, filepath.Ext(base)), File: file, Procedure: mockPrefix, Body: "whole", where: "--mock"}
}

// startMock starts a callee that answers the operations of a document with its
// examples, or with what its schemas describe, and waits until it can be
// called. It stops when ctx ends; n waits for it.
func (n *node) startMock(ctx context.Context, realm wamp.URI, file string) error {
	text, err := readDocument(file)
	if err != nil {
		return err
	}
	doc, err := openapi.Load(file, text, openapi.Mapping{Procedure: mockPrefix, WholeBody: true})
	if err != nil {
		return err
	}
	sampler := openapi.NewSampler(doc)
	var all []procedure
	known := map[wamp.URI]bool{}
	for i := range doc.Operations {
		op := &doc.Operations[i]
		if known[op.Call.Procedure] {
			continue
		}
		known[op.Call.Procedure] = true
		safe := op.Method == "GET" || op.Method == "HEAD"
		all = append(all, procedure{op.Call.Procedure, described(strings.TrimSpace(op.Method+" "+op.Path), safe), mocked(op, sampler)})
	}
	url, client := n.scheme("ws")+"://"+reachable(n.listener.Addr())+"/ws", n.selfClient()
	return n.startCallees(ctx, []*callee{{url: url, client: client, serializer: wamp.JSON, realm: realm, procedures: all, log: n.log}})
}

// mocked answers an operation as its document describes it.
func mocked(op *openapi.Operation, sampler *openapi.Sampler) handler {
	return func(ctx context.Context, inv *invocation) (wamp.Payload, error) {
		for more := true; more; {
			var err error
			if _, more, err = inv.next(ctx); err != nil {
				return wamp.Payload{}, err
			}
		}
		value, ok := sampler.Answer(op)
		if !ok {
			return wamp.Payload{}, nil
		}
		return wamp.Payload{Serializer: wamp.JSON, Args: wamp.JSON.AppendList(nil, bind.JSON(value))}, nil
	}
}
