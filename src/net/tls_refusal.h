/* Why a peer's certificate is not believed, in words for whoever has to mend it: which certificate, what of it, and
 * what was expected.
 */
#ifndef NET_TLS_REFUSAL_H
#define NET_TLS_REFUSAL_H

#include <openssl/x509.h>

#include "base/str.h"
#include "net/transport.h"

/* What is wrong with the certificate that is being looked at, as part of a sentence without control bytes. out has room
 * for TRANSPORT_REFUSAL_MAX, a NUL at its end included; returns the bytes before that. wanted: the name or address that
 * the peer has to have; NULL: none. */
size_t tls_refusal_tell(X509_STORE_CTX *checked, const char *wanted, char *out);

#endif
