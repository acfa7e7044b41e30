/* What an OCSP answer (RFC 6960) says of a certificate, before it is stapled to handshakes (RFC 6066 section 8).
 *
 * Read when a configuration is loaded. Who signed it is the client's to judge.
 */
#ifndef NET_TLS_STAPLE_H
#define NET_TLS_STAPLE_H

#include <stdint.h>

#include "base/str.h"

struct x509_st;

/* NULL: it may be stapled until *ret_until_s, seconds since 1970 (INT64_MAX: it names no end). Else what is wrong with
 * it, the end of a sentence. */
const char *tls_staple_check(struct str der, const struct x509_st *certificate, int64_t *ret_until_s);

#endif
