/* OpenSSL gives its key to the socket that it writes to, if that is one of its own BIOs, at the moment at which it
 * makes the key (ADR 0033). So it has to have the socket then, and nothing of what it wrote before may still wait
 * elsewhere. */
#include "net/tls_kernel.h"

#include "net/tls_lib.h"

#ifdef TLS_LIB_KERNEL
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <sys/socket.h>
#include <unistd.h>

static int enable(int fd)
{
    return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls") - 1) == 0 ? 0 : errno;
}

/* A kernel that has it misses the connection; one that has none does not know the name. */
bool tls_kernel_offered(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failure = fd >= 0 ? enable(fd) : errno;

    if (fd >= 0)
        close(fd);
    return failure == 0 || failure == ENOTCONN;
}

void tls_kernel_prepare(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
}

/* In TLS 1.3 the key follows the server's Finished. In TLS 1.2 it comes in the middle of the server's last flight,
 * which is short and begins when the client has answered the one before; where a session is resumed there is none
 * before, and the library keeps its key. */
bool tls_kernel_awaits(const SSL *ssl)
{
    OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);

    return SSL_version(ssl) == TLS1_3_VERSION ? state == TLS_ST_SW_FINISHED : state == TLS_ST_SW_SRVR_DONE;
}

bool tls_kernel_give(SSL *ssl, int fd)
{
    BIO *bio = enable(fd) == 0 ? BIO_new_socket(fd, BIO_NOCLOSE) : NULL;

    if (bio)
        SSL_set0_wbio(ssl, bio);
    return bio != NULL;
}

bool tls_kernel_taken(SSL *ssl)
{
    BIO *reads = SSL_get_rbio(ssl);

    if (BIO_get_ktls_send(SSL_get_wbio(ssl)))
        return true;
    BIO_up_ref(reads);
    SSL_set0_wbio(ssl, reads);
    return false;
}

static void on_message(int written, int version, int type, const void *bytes, size_t n, SSL *ssl, void *flag)
{
    enum { HEAD = 4 }; /* its type and its length */
    const unsigned char *message = bytes;

    if (!written && type == SSL3_RT_HANDSHAKE && n > HEAD && message[0] == SSL3_MT_KEY_UPDATE &&
        message[HEAD] == SSL_KEY_UPDATE_REQUESTED)
        *(bool *)flag = true;
}

void tls_kernel_watch_rekey(SSL *ssl, bool *flag)
{
    SSL_set_msg_callback(ssl, on_message);
    SSL_set_msg_callback_arg(ssl, flag);
}

#else

bool tls_kernel_offered(void)
{
    return false;
}

void tls_kernel_prepare(SSL_CTX *context)
{
}

bool tls_kernel_awaits(const SSL *ssl)
{
    return false;
}

bool tls_kernel_give(SSL *ssl, int fd)
{
    return false;
}

bool tls_kernel_taken(SSL *ssl)
{
    return false;
}

void tls_kernel_watch_rekey(SSL *ssl, bool *flag)
{
}

#endif
