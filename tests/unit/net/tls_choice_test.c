/* Which certificate a client gets, and which of its sessions are resumed: whole handshakes, in memory. */
#include "net/tls_choice.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/tls_ctx.h"
#include "net/tls_lib.h"
#include "tests/unit/net/net_cmocka.h"
#include "tests/unit/net/tls_files.h"

static struct tls_files one, two, rsa;
static struct tls_ctx *server_ctx;
static SSL_CTX *client_context;

/* What a client asks for, and then what it got. */
struct visit {
    const char *name; /* NULL: none */
    int version;
    const char *ciphers;  /* NULL: all, as the next */
    char *algorithms;     /* the library's macro takes it without const */
    SSL_SESSION *session; /* to be resumed; then the new one */
    bool done, resumed;
    X509 *shown;
};

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct visit *visit = SSL_get_app_data(ssl);
    SSL_SESSION_free(visit->session);
    visit->session = session;
    return 1;
}

static int make(void **state)
{
    tls_files_create(&one, "DNS:a.example,DNS:b.example", 30);
    tls_files_create(&two, "DNS:other.example", 30);
    tls_files_create_rsa(&rsa, "DNS:a.example", 30);
    client_context = SSL_CTX_new(TLS_client_method());
    assert_non_null(client_context);
    SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client_context, keep_session);
    return 0;
}

static int unmake(void **state)
{
    SSL_CTX_free(client_context);
    return 0;
}

static void serve(const struct tls_files *const *files, size_t count, struct tls_file ca)
{
    struct tls_certificate certificates[3];
    struct tls_file ticket_keys = {"keys", str_slice(one.chain_text, TLS_TICKET_KEY_BYTES)};
    struct tls_server_options options = {.certificates = certificates,
                                         .count = count,
                                         .verify = ca.bytes.p ? TLS_VERIFY_OPTIONAL : TLS_VERIFY_OFF,
                                         .ca = ca,
                                         .ticket_keys = ticket_keys};
    struct tls_why why;
    for (size_t i = 0; i < count; i++)
        certificates[i] = (struct tls_certificate){files[i]->chain, files[i]->key, {""}};
    tls_ctx_unref(server_ctx);
    assert_int_equal(tls_server_create(&options, &server_ctx, &why), 0);
}

static int teardown(void **state)
{
    tls_ctx_unref(server_ctx);
    server_ctx = NULL;
    return 0;
}

static SSL *begin(struct visit *visit)
{
    SSL *client = SSL_new(client_context);
    assert_int_equal(SSL_set_app_data(client, visit), 1);
    assert_int_equal(SSL_set_min_proto_version(client, visit->version), 1);
    assert_int_equal(SSL_set_max_proto_version(client, visit->version), 1);
    if (visit->name)
        assert_int_equal(SSL_set_tlsext_host_name(client, (char *)(uintptr_t)visit->name), 1);
    if (visit->ciphers)
        assert_int_equal(SSL_set_cipher_list(client, visit->ciphers), 1);
#ifdef TLS_LIB_HELLO
    if (visit->algorithms)
        assert_int_equal(SSL_set1_sigalgs_list(client, visit->algorithms), 1);
#endif
    if (visit->session)
        assert_int_equal(SSL_set_session(client, visit->session), 1);
    SSL_set_connect_state(client);
    return client;
}

static void go(struct visit *visit)
{
    SSL *client = begin(visit), *server = tls_ctx_open(server_ctx, false);
    BIO *near, *far;
    char byte = 0;
    assert_int_equal(BIO_new_bio_pair(&near, 65536, &far, 65536), 1);
    SSL_set_bio(client, near, near);
    SSL_set_bio(server, far, far);
    for (int i = 0; i < 10; i++) {
        (void)SSL_do_handshake(client);
        (void)SSL_do_handshake(server);
    }
    visit->done = SSL_is_init_finished(server) && SSL_is_init_finished(client);
    if (visit->done) { /* tickets of TLS 1.3 come with what is sent */
        assert_int_equal(SSL_write(server, "x", 1), 1);
        assert_int_equal(SSL_read(client, &byte, 1), 1);
        visit->resumed = SSL_session_reused(client);
        assert_int_equal(SSL_session_reused(server), visit->resumed);
        X509_free(visit->shown);
        visit->shown = SSL_get_peer_certificate(client);
        SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* or its session is spoiled */
    }
    SSL_free(client);
    SSL_free(server);
    ERR_clear_error();
}

static void leave(struct visit *visit)
{
    SSL_SESSION_free(visit->session);
    X509_free(visit->shown);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* A session that began under one name, and whether it is resumed under another. */
static void resumes(const char *first, const char *then, bool resumed)
{
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct visit visit = {.name = first, .version = versions[i]};
        go(&visit);
        assert_true(visit.done && !visit.resumed && visit.session);
        visit.name = then;
        go(&visit);
        if (!visit.done || visit.resumed != resumed)
            fail_msg("%s, then %s, version %x: %d %d", first, then, versions[i], visit.done, visit.resumed);
        leave(&visit);
    }
}

static void test_sessions_are_resumed_under_their_name(void **state)
{
    const struct tls_files *files[] = {&one, &two};
    serve(files, 2, (struct tls_file){""});
    resumes("a.example", "a.example", true);
    resumes("a.example", "A.Example", true);
    resumes("a.example", "other.example", false);
    resumes("other.example", "a.example", false);
    resumes("a.example", "b.example", false); /* the same certificate, but RFC 6066 asks for the name */
    resumes("a.example", NULL, false);
    resumes(NULL, "a.example", false);
    resumes(NULL, "other.example", false);
    resumes(NULL, NULL, true);
    resumes("unknown.example", "none.example", true); /* what everybody gets who asks for no name of ours */
    resumes("other.example", "unknown.example", false);
}

/* With ticket keys that listeners share. */
static void test_sessions_are_not_resumed_under_other_rules(void **state)
{
    const struct tls_files *files[] = {&one};
    struct tls_file believed[] = {{""}, one.chain, two.chain};
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
        for (size_t from = 0; from < ARRAY_SIZE(believed); from++)
            for (size_t to = 0; to < ARRAY_SIZE(believed); to++) {
                struct visit visit = {.name = "a.example", .version = versions[i]};
                serve(files, 1, believed[from]);
                go(&visit);
                assert_true(visit.done && visit.session);
                serve(files, 1, believed[to]);
                go(&visit);
                assert_true(visit.done);
                assert_int_equal(visit.resumed, from == to);
                leave(&visit);
            }
}

#ifdef TLS_LIB_HELLO

static int kind_for(const char *name, int version, const char *ciphers, char *algorithms)
{
    struct visit visit = {.name = name, .version = version, .ciphers = ciphers, .algorithms = algorithms};
    go(&visit);
    int kind = visit.done ? EVP_PKEY_get_base_id(X509_get0_pubkey(visit.shown)) : EVP_PKEY_NONE;
    leave(&visit);
    return kind;
}

static void test_a_name_has_a_certificate_of_each_kind(void **state)
{
    static const struct {
        const char *name;
        int understands_ec, understands_rsa;
    } cases[] = {
        {"a.example", EVP_PKEY_EC, EVP_PKEY_RSA},
        {"b.example", EVP_PKEY_EC, EVP_PKEY_NONE}, /* whose name the other one does not have */
        {NULL, EVP_PKEY_EC, EVP_PKEY_RSA},
        {"unknown.example", EVP_PKEY_EC, EVP_PKEY_RSA},
        {"other.example", EVP_PKEY_EC, EVP_PKEY_NONE},
    };
    char ec[] = "ecdsa_secp256r1_sha256", rsa_pss[] = "rsa_pss_rsae_sha256";
    const struct tls_files *files[] = {&one, &two, &rsa};
    serve(files, 3, (struct tls_file){""});
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *name = cases[i].name;
        assert_int_equal(kind_for(name, TLS1_3_VERSION, NULL, NULL), cases[i].understands_ec);
        assert_int_equal(kind_for(name, TLS1_3_VERSION, NULL, ec), cases[i].understands_ec);
        assert_int_equal(kind_for(name, TLS1_3_VERSION, NULL, rsa_pss), cases[i].understands_rsa);
        assert_int_equal(kind_for(name, TLS1_2_VERSION, NULL, NULL), cases[i].understands_ec);
        assert_int_equal(kind_for(name, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", NULL),
                         cases[i].understands_ec);
        assert_int_equal(kind_for(name, TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", NULL), cases[i].understands_rsa);
    }
    for (size_t i = 0; i < 3; i++)
        assert_true(tls_ctx_is_chosen(server_ctx, i));
}

#else

static void test_a_name_has_a_certificate_of_each_kind(void **state)
{
    const struct tls_files *files[] = {&one, &two, &rsa};
    serve(files, 3, (struct tls_file){""});
    assert_false(tls_ctx_is_chosen(server_ctx, 2)); /* this library has one for a connection */
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_sessions_are_resumed_under_their_name, teardown),
        cmocka_unit_test_teardown(test_sessions_are_not_resumed_under_other_rules, teardown),
        cmocka_unit_test_teardown(test_a_name_has_a_certificate_of_each_kind, teardown),
    };
    return cmocka_run_group_tests_name("tls_choice", tests, make, unmake);
}
