/* Which of a listener's certificates is for which name (RFC 6066 section 3, RFC 9525 section 6.3). Sorted once, while a
 * configuration is loaded; then read by any thread.
 */
#ifndef NET_TLS_NAMES_H
#define NET_TLS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/str.h"

struct tls_names;
struct x509_st;

/* 0 or -ERR_NO_MEMORY. */
MUST_CHECK int tls_names_create(struct tls_names **ret_names);
void tls_names_destroy(struct tls_names **names); /* *names NULL is allowed */
/* All DNS names of the certificate, or its common name when it has none, lead to this index. */
MUST_CHECK int tls_names_add(struct tls_names *names, const struct x509_st *certificate, size_t index);
/* After the last add. Of several certificates with one name the first is found. */
void tls_names_sort(struct tls_names *names);
/* When they are sorted: sets found[index] where a name leads to that certificate. */
void tls_names_mark(const struct tls_names *names, bool *found);
/* The name as it stands, else by a wildcard in place of its first label; case does not matter. */
bool tls_names_find(const struct tls_names *names, struct str name, size_t *ret_index);
/* Whose certificate it is, as RFC 4514 writes it ("CN=a,O=b"), in printable ASCII alone; the caller's to free. NULL
 * without memory. */
char *tls_names_subject(const struct x509_st *certificate);

#endif
