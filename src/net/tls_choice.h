/* What a client of a listener gets by the name that it asks for (RFC 6066 section 3): certificates, and sessions that
 * are resumed under that name alone.
 *
 * Made while a configuration is loaded, by tls_ctx; then used by any thread.
 */
#ifndef NET_TLS_CHOICE_H
#define NET_TLS_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "net/tls_names.h"

struct ssl_ctx_st;

enum { TLS_CHOICE_RULES = 32 };

struct tls_choice {
    struct tls_names *names;
    struct ssl_ctx_st *const *contexts;    /* one for each certificate; borrowed */
    bool strict;                           /* other names than the certificates' end the handshake */
    unsigned char rules[TLS_CHOICE_RULES]; /* what else its sessions go by: no other listener's are resumed */
};

/* Connections of this context choose: of each that the choice has. The choice stays where it is. */
MUST_CHECK int tls_choice_attach(struct tls_choice *choice, struct ssl_ctx_st *context);

#endif
