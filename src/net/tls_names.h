/* Which of a listener's certificates are for which name (RFC 6066 section 3, RFC 9525 section 6.3). Sorted once, while
 * a configuration is loaded; then read by any thread.
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

/* A name's certificates: one for each kind of key that there is. */
enum { TLS_NAMES_MAX_BYTES = 255, TLS_NAMES_KINDS = 6 };

/* 0 or -ERR_NO_MEMORY. */
MUST_CHECK int tls_names_create(struct tls_names **ret_names);
void tls_names_destroy(struct tls_names **names); /* *names NULL is allowed */
/* All DNS names of the certificate, or its common name when it has none, lead to this index. kind: of its key. */
MUST_CHECK int tls_names_add(struct tls_names *names, const struct x509_st *certificate, size_t index, int kind);
/* After the last add. Of several certificates with one name and one kind of key the first is found. */
void tls_names_sort(struct tls_names *names);
/* When they are sorted: sets found[index] where a name leads to that certificate. */
void tls_names_mark(const struct tls_names *names, bool *found);
/* By the name as it stands, else by a wildcard in place of its first label; case does not matter. How many there are,
 * the lowest index first. */
size_t tls_names_find(const struct tls_names *names, struct str name, size_t ret_found[TLS_NAMES_KINDS]);
/* Those for whoever asks for none of the names: the first certificate, and those that its first name leads to. */
size_t tls_names_find_others(const struct tls_names *names, size_t ret_found[TLS_NAMES_KINDS]);
/* In lower case, without a dot at its end; 0: it is none. */
size_t tls_names_fold(struct str name, char ret_name[TLS_NAMES_MAX_BYTES]);
/* Whose certificate it is, as RFC 4514 writes it ("CN=a,O=b"), in printable ASCII alone; the caller's to free. NULL
 * without memory. */
char *tls_names_subject(const struct x509_st *certificate);

#endif
