FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=""
ENV CGO_ENABLED=0
RUN go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/ ./cmd/rollcall \
 && mkdir /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/rollcall /rollcall
# A new volume takes over the owner of the directory it is mounted on.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV ROLLCALL_DATA=/data \
    ROLLCALL_SIP_LISTEN=0.0.0.0:5060 \
    ROLLCALL_HTTP_LISTEN=0.0.0.0:8080 \
    ROLLCALL_ADMIN_LISTEN=127.0.0.1:8081
VOLUME /data
EXPOSE 5060/udp 5060/tcp 8080/tcp
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 CMD ["/rollcall", "health"]
ENTRYPOINT ["/rollcall"]
CMD ["serve"]
