// An API with coreos/go-oidc: resource-server ISSUER AUDIENCE
//
// Under / the library's own rules hold; under /strict also what docs/api-developers.md adds to them.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

func isAccessToken(token string) bool {
	signed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	return err == nil && signed.Signatures[0].Header.ExtraHeaders[jose.HeaderType] == "at+jwt"
}

func main() {
	issuer, audience := os.Args[1], os.Args[2]
	keys := oidc.NewRemoteKeySet(context.Background(), issuer+"/.well-known/jwks.json")
	verifier := oidc.NewVerifier(issuer, keys, &oidc.Config{
		ClientID:             audience,
		SupportedSigningAlgs: []string{oidc.ES256},
	})

	answer := func(response http.ResponseWriter, request *http.Request) {
		text := strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")
		token, err := verifier.Verify(request.Context(), text)
		if err == nil && request.URL.Path == "/strict" && !isAccessToken(text) {
			err = errors.New("not an access token")
		}
		if err != nil {
			http.Error(response, err.Error(), http.StatusUnauthorized)
			return
		}
		fmt.Fprint(response, token.Subject)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(answer)))
}
