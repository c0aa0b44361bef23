module github.com/wampgate/wampgate/test/bench

go 1.26.0
