/* Where in a handshake the socket is given, that nothing is lost where it cannot have TLS, and who asks for new keys.
 * What a kernel that has it makes of all this is tried by tests/kernel. */
#include "net/tls_kernel.h"

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/net/net_cmocka.h"
#include "tests/unit/net/tls_files.h"

struct way {
    BIO *in, *out;
};

static struct tls_files files;
static struct tls_ctx *server_ctx, *client_ctx;
static struct way to_server, to_client;
static SSL *server, *client;
static BIO_METHOD *method;
static int awaited; /* flushes of the server at which its socket could be given */

static int write_out(BIO *bio, const char *bytes, int n)
{
    return BIO_write(((struct way *)BIO_get_data(bio))->out, bytes, n);
}

static int read_in(BIO *bio, char *out, int room)
{
    int n = BIO_read(((struct way *)BIO_get_data(bio))->in, out, room);
    BIO_clear_retry_flags(bio);
    if (n <= 0)
        BIO_set_retry_read(bio);
    return n;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    if (command == BIO_CTRL_FLUSH && BIO_get_data(bio) == &to_client && tls_kernel_awaits(server))
        awaited++;
    return command == BIO_CTRL_FLUSH;
}

static int make(void **state)
{
    tls_files_create(&files, "DNS:one.example", 30);
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "a way that tells");
    BIO_meth_set_write(method, write_out);
    BIO_meth_set_read(method, read_in);
    BIO_meth_set_ctrl(method, control);
    return 0;
}

static int unmake(void **state)
{
    BIO_meth_free(method);
    return 0;
}

static int setup(void **state)
{
    struct tls_certificate certificate = {files.chain, files.key, {""}};
    struct tls_server_options options = {.certificates = &certificate, .count = 1, .kernel = true};
    struct tls_client_options believes = {.verify = true, .ca = files.chain};
    struct tls_ctx *shared = NULL;
    struct tls_why why;
    assert_int_equal(tls_server_create(&options, &server_ctx, &why), 0);
    assert_int_equal(tls_client_create(&believes, &shared, &why), 0);
    assert_int_equal(tls_client_for(shared, STR("one.example"), &client_ctx), 0);
    tls_ctx_unref(shared);
    to_client = (struct way){BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem())};
    to_server = (struct way){to_client.out, to_client.in};
    return 0;
}

static int teardown(void **state)
{
    BIO_free(to_client.in);
    BIO_free(to_client.out);
    tls_ctx_unref(server_ctx);
    tls_ctx_unref(client_ctx);
    return 0;
}

static void attach(SSL *ssl, struct way *way)
{
    BIO *bio = BIO_new(method);
    BIO_set_data(bio, way);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
}

static void begin(int version)
{
    awaited = 0;
    server = tls_ctx_open(server_ctx, false);
    client = tls_ctx_open(client_ctx, false);
    attach(server, &to_client);
    attach(client, &to_server);
    assert_int_equal(SSL_set_max_proto_version(client, version), 1);
}

static void shake(int version)
{
    begin(version);
    for (int i = 0; i < 10 && !(SSL_is_init_finished(server) && SSL_is_init_finished(client)); i++) {
        (void)SSL_do_handshake(client);
        (void)SSL_do_handshake(server);
    }
    assert_true(SSL_is_init_finished(server) && SSL_is_init_finished(client));
    assert_int_equal(SSL_version(server), version);
}

static void end(void)
{
    SSL_free(server);
    SSL_free(client);
    server = client = NULL;
}

static void test_the_socket_is_given_before_the_key_is_made(void **state)
{
    shake(TLS1_3_VERSION);
    assert_in_range(awaited, 1, 2); /* where it could be given, the library flushes once more */
    end();
}

static void test_the_same_in_tls_1_2(void **state)
{
    shake(TLS1_2_VERSION);
    assert_int_equal(awaited, 1);
    end();
}

static void test_a_socket_that_cannot_have_it_changes_nothing(void **state)
{
    int pair[2];
    begin(TLS1_3_VERSION);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    BIO *before = SSL_get_wbio(server);
    assert_false(tls_kernel_give(server, pair[0]));
    assert_ptr_equal(SSL_get_wbio(server), before);
    end();
    close(pair[0]);
    close(pair[1]);
}

static void test_a_key_that_did_not_go_there_leaves_the_library_its_way(void **state)
{
    char text[6] = "";
    shake(TLS1_3_VERSION);
    SSL_set0_wbio(server, BIO_new(BIO_s_null()));
    assert_false(tls_kernel_taken(server));
    assert_ptr_equal(SSL_get_wbio(server), SSL_get_rbio(server));
    assert_int_equal(SSL_write(server, "hello", 5), 5);
    assert_int_equal(SSL_read(client, text, sizeof(text)), 5);
    assert_string_equal(text, "hello");
    end();
}

static void test_a_wish_for_new_keys_is_told(void **state)
{
    char text[6] = "";
    bool wanted = false;
    shake(TLS1_3_VERSION);
    tls_kernel_watch_rekey(server, &wanted);
    assert_int_equal(SSL_key_update(client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    assert_int_equal(SSL_write(client, "first", 5), 5);
    assert_int_equal(SSL_read(server, text, sizeof(text)), 5);
    assert_false(wanted);
    assert_int_equal(SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_write(client, "again", 5), 5);
    assert_int_equal(SSL_read(server, text, sizeof(text)), 5);
    assert_true(wanted);
    end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_socket_is_given_before_the_key_is_made),
        TEST(test_the_same_in_tls_1_2),
        TEST(test_a_socket_that_cannot_have_it_changes_nothing),
        TEST(test_a_key_that_did_not_go_there_leaves_the_library_its_way),
        TEST(test_a_wish_for_new_keys_is_told),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
