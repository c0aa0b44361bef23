# syntax=docker/dockerfile:1

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /wampgate ./cmd/wampgate

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /wampgate /wampgate
# Nobody, by number: there is no passwd file here.
USER 65534:65534
# Inside a container loopback is of no use to anybody.
ENV WAMPGATE_LISTEN=0.0.0.0:8080 WAMPGATE_LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=4s --start-period=5s CMD ["/wampgate", "health"]
ENTRYPOINT ["/wampgate"]
CMD ["serve"]
