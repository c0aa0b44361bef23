// Package wamptest is a WAMP router for tests, and peers that follow a script:
//
//	server := wamptest.Serve(t, wamptest.Config{})
//	callee, caller := server.Join(t, wamp.JSON), server.Join(t, wamp.MsgPack)
//	callee.Send(`[64, 1, {}, "com.example.add"]`)
//	callee.Want(`[65, 1, "*"]`)
//	caller.Send(`[48, 1, {}, "com.example.add", [1, 2]]`)
//	callee.Want(`[68, 1, "*", "*", [1, 2]]`)
//
// Scripts are JSON whatever the peer's serializer is. Servers and connections
// are in memory unless Config says otherwise, so that they work in a
// [testing/synctest] bubble; everything ends with its test.
package wamptest
