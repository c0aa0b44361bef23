package rivals

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The method, as protoc would name it. Its request and response are the
// well-known message with one string, so that no code need be generated.
const (
	grpcService = "bench.v1.EchoService"
	grpcMethod  = "/" + grpcService + "/Echo"
	grpcPath    = "/call/bench.echo"
)

// echoGRPC is what protoc-gen-go-grpc makes of the method, with the method.
func echoGRPC(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := &wrapperspb.StringValue{}
	if err := decode(in); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	return wrapperspb.String(in.GetValue()), nil
}

// ServeGRPC serves the method on a listener until ctx ends.
func ServeGRPC(ctx context.Context, l net.Listener) error {
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: grpcService,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Echo", Handler: echoGRPC}},
	}, nil)
	defer context.AfterFunc(ctx, s.Stop)()
	return s.Serve(l)
}

// NewGRPCGateway returns grpc-gateway before the method served at an address.
func NewGRPCGateway(addr string) (http.Handler, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("gRPC client: %w", err)
	}
	mux := runtime.NewServeMux()
	err = mux.HandlePath(http.MethodPost, grpcPath, func(w http.ResponseWriter, r *http.Request, _ map[string]string) {
		serveGateway(conn, mux, w, r)
	})
	return mux, err
}

// serveGateway does the steps of a handler by protoc-gen-grpc-gateway.
func serveGateway(conn *grpc.ClientConn, mux *runtime.ServeMux, w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	in, out := runtime.MarshalerForRequest(mux, r)
	ctx, err := runtime.AnnotateContext(ctx, mux, r, grpcMethod, runtime.WithHTTPPathPattern(grpcPath))
	if err != nil {
		runtime.HTTPError(ctx, mux, out, w, r, err)
		return
	}
	var request, response wrapperspb.StringValue
	var metadata runtime.ServerMetadata
	if err = in.NewDecoder(r.Body).Decode(&request); err == nil {
		err = conn.Invoke(ctx, grpcMethod, &request, &response, grpc.Header(&metadata.HeaderMD), grpc.Trailer(&metadata.TrailerMD))
	}
	ctx = runtime.NewServerMetadataContext(ctx, metadata)
	if err != nil {
		runtime.HTTPError(ctx, mux, out, w, r, err)
		return
	}
	runtime.ForwardResponseMessage(ctx, mux, out, w, r, &response, mux.GetForwardResponseOptions()...)
}
