/* A certificate of its own making in a temporary directory, for the tests of TLS.
 */
#ifndef UNIT_NET_TLS_FILES_H
#define UNIT_NET_TLS_FILES_H

struct tls_files {
    char directory[64];
    char chain[96], key[96];
};

/* Self-signed for these names ("DNS:a.example,DNS:*.b.example"); good for so many days. */
void tls_files_create(struct tls_files *files, const char *names, int days);
void tls_files_destroy(struct tls_files *files);

#endif
