/* Called by the library in each handshake. A connection begins with the first certificate's context and changes over to
 * that of its name; certificates with other kinds of keys are added to the connection, and the library takes the one
 * that the client understands.
 *
 * RFC 6066 section 3: a session that began under one name is not resumed under another. OpenSSL sees to that in no
 * version of TLS; but both libraries resume no session of another session id context, so the name is part of that. */
#include "net/tls_choice.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "net/tls_lib.h"

_Static_assert(TLS_CHOICE_RULES <= SSL_MAX_SID_CTX_LENGTH, "they fit");

static bool name_sessions(const struct tls_choice *choice, SSL *ssl, struct str name)
{
    char text[TLS_CHOICE_RULES + TLS_NAMES_MAX_BYTES];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    memcpy(text, choice->rules, TLS_CHOICE_RULES);
    size_t name_n = tls_names_fold(name, text + TLS_CHOICE_RULES);
    return EVP_Digest(text, TLS_CHOICE_RULES + name_n, digest, &n, EVP_sha256(), NULL) == 1 &&
           SSL_set_session_id_context(ssl, digest, n) == 1;
}

/* False: there is no memory. */
static bool choose(const struct tls_choice *choice, SSL *ssl, struct str name)
{
    size_t found[TLS_NAMES_KINDS];
    size_t count = tls_names_find(choice->names, name, found);
    bool known = count > 0;

    if (!known)
        count = tls_names_find_others(choice->names, found);
    bool chosen = SSL_set_SSL_CTX(ssl, choice->contexts[found[0]]) != NULL;
    for (size_t i = 1; i < count && chosen; i++)
        chosen = tls_lib_add_certificate(ssl, choice->contexts[found[i]]);
    return chosen && name_sessions(choice, ssl, known ? name : STR_NONE);
}

static struct str name_of(SSL *ssl)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    return name ? str_of(name) : STR_NONE;
}

#ifdef TLS_LIB_HELLO

/* The name that a client's first message has; none where it is malformed, which the library says later. */
static struct str read_name(SSL *ssl)
{
    enum { LIST_LENGTH = 2, TYPE = 1, NAME_LENGTH = 2, HEAD = LIST_LENGTH + TYPE + NAME_LENGTH };
    const unsigned char *at;
    size_t n;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &at, &n) != 1 || n < HEAD ||
        at[LIST_LENGTH] != TLSEXT_NAMETYPE_host_name)
        return STR_NONE;
    size_t name_n = (size_t)at[LIST_LENGTH + TYPE] << 8 | at[LIST_LENGTH + TYPE + 1];
    return name_n <= n - HEAD ? str_slice((const char *)at + HEAD, name_n) : STR_NONE;
}

static int on_hello(SSL *ssl, int *alert, void *choice)
{
    if (choose(choice, ssl, read_name(ssl)))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}

static void choose_at_hello(struct tls_choice *choice, SSL_CTX *context)
{
    SSL_CTX_set_client_hello_cb(context, on_hello, choice);
}

static bool choose_at_name(const struct tls_choice *choice, SSL *ssl)
{
    return true;
}

#else

static void choose_at_hello(struct tls_choice *choice, SSL_CTX *context)
{
}

static bool choose_at_name(const struct tls_choice *choice, SSL *ssl)
{
    return choose(choice, ssl, name_of(ssl));
}

#endif

static int on_name(SSL *ssl, int *alert, void *argument)
{
    const struct tls_choice *choice = argument;
    size_t found[TLS_NAMES_KINDS];

    if (!choose_at_name(choice, ssl)) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    if (tls_names_find(choice->names, name_of(ssl), found) > 0)
        return SSL_TLSEXT_ERR_OK;
    if (!choice->strict)
        return SSL_TLSEXT_ERR_NOACK;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int tls_choice_attach(struct tls_choice *choice, SSL_CTX *context)
{
    choose_at_hello(choice, context);
    SSL_CTX_set_tlsext_servername_callback(context, on_name);
    SSL_CTX_set_tlsext_servername_arg(context, choice);
    return SSL_CTX_set_session_id_context(context, choice->rules, TLS_CHOICE_RULES) == 1 ? 0 : -ERR_NO_MEMORY;
}
