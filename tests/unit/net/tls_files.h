/* A certificate of its own making, for the tests of TLS.
 */
#ifndef UNIT_NET_TLS_FILES_H
#define UNIT_NET_TLS_FILES_H

#include "net/tls_ctx.h"

struct tls_files {
    struct tls_file chain, key;
    char chain_text[4096], key_text[4096];
};

/* Self-signed for these names ("DNS:a.example,DNS:*.b.example"); good for so many days. It stays where it is. */
void tls_files_create(struct tls_files *files, const char *names, int days);
/* The same with a key of RSA, where that makes one of EC. */
void tls_files_create_rsa(struct tls_files *files, const char *names, int days);

#endif
