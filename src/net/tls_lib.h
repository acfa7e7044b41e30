/* What OpenSSL 3.0 and BoringSSL name differently, in one place: everything else in net/tls_* is written in what both
 * have. -Dtls= chooses the library, and its headers say which it is. For the files of net/tls_*.
 */
#ifndef NET_TLS_LIB_H
#define NET_TLS_LIB_H

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

enum { TLS_LIB_MAC_KEY = 32 };

/* Since 1970; 0: there is no memory, or it is no time. */
static inline int64_t tls_lib_seconds(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days, seconds;

    if (!epoch || ASN1_TIME_diff(&days, &seconds, epoch, time) != 1)
        days = seconds = 0;
    ASN1_TIME_free(epoch);
    return (int64_t)days * 86400 + seconds;
}

#ifdef OPENSSL_IS_BORINGSSL
#include <openssl/hmac.h>

typedef HMAC_CTX tls_lib_mac;

/* The ciphers of TLS 1.3 are the library's, AES-128 first where the processor has AES; the missing close_notify is
 * net/tls_conn's to see already. */
static inline bool tls_lib_prepare(SSL_CTX *context, const char *ciphers_13)
{
    return true;
}

/* HMAC with SHA-256 over a ticket. */
static inline bool tls_lib_mac_init(tls_lib_mac *mac, const unsigned char key[TLS_LIB_MAC_KEY])
{
    return HMAC_Init_ex(mac, key, TLS_LIB_MAC_KEY, EVP_sha256(), NULL) == 1;
}

#define tls_lib_set_ticket_callback SSL_CTX_set_tlsext_ticket_key_cb

/* A connection has one certificate, so a name has. */
#define TLS_LIB_KINDS false

static inline int tls_lib_kind(const X509 *certificate)
{
    return 0;
}

static inline bool tls_lib_add_certificate(SSL *ssl, SSL_CTX *from)
{
    return true;
}

static inline bool tls_lib_shows(SSL *ssl, SSL_CTX *context)
{
    return SSL_get_SSL_CTX(ssl) == context;
}

#else
#include <openssl/core_names.h>
#include <string.h>

#ifndef OPENSSL_NO_KTLS
#define TLS_LIB_KERNEL /* it can leave sending to the kernel: net/tls_kernel */
#endif

typedef EVP_MAC_CTX tls_lib_mac;

/* Without the option the library spoils the session of a connection that ends without close_notify. */
static inline bool tls_lib_prepare(SSL_CTX *context, const char *ciphers_13)
{
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    return SSL_CTX_set_ciphersuites(context, ciphers_13) == 1;
}

static inline bool tls_lib_mac_init(tls_lib_mac *mac, const unsigned char key[TLS_LIB_MAC_KEY])
{
    unsigned char own[TLS_LIB_MAC_KEY]; /* the parameters take no constants */
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, own, sizeof(own)),
                               OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};

    memcpy(own, key, sizeof(own));
    bool done = EVP_MAC_CTX_set_params(mac, parameters) == 1;
    OPENSSL_cleanse(own, sizeof(own));
    return done;
}

#define tls_lib_set_ticket_callback SSL_CTX_set_tlsext_ticket_key_evp_cb
/* Sessions are looked up before the name's callback: what they go by has to be known earlier. */
#define TLS_LIB_HELLO

/* A connection may have a certificate of each kind of key: the library chooses by what its client understands. */
#define TLS_LIB_KINDS true

static inline int tls_lib_kind(const X509 *certificate)
{
    const EVP_PKEY *key = X509_get0_pubkey(certificate);

    return key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
}

static inline bool tls_lib_add_certificate(SSL *ssl, SSL_CTX *from)
{
    STACK_OF(X509) *above = NULL;

    SSL_CTX_get0_chain_certs(from, &above);
    return SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(from), SSL_CTX_get0_privatekey(from), above, 1) == 1;
}

static inline bool tls_lib_shows(SSL *ssl, SSL_CTX *context)
{
    return SSL_get_certificate(ssl) == SSL_CTX_get0_certificate(context);
}

#endif
#endif
