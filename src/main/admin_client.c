/* Blocking, one connection for each question, HTTP/1.0 so that the answer ends with it. Called by the commands that
 * ask, which have nothing else to do meanwhile. */
#include "main/admin_client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "control/config.h"
#include "control/directive.h"

enum { ANSWER_BYTES_MAX = 64 << 20, REQUEST_HEAD_MAX = 4096 };

__attribute__((format(printf, 2, 3))) static int fail(char why[ADMIN_WHY_MAX], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, ADMIN_WHY_MAX, format, arguments);
    va_end(arguments);
    return -ERR_CONFIG;
}

/* ---- where it is ---- */

static int find_address(struct admin_client *client, const char *where, char why[ADMIN_WHY_MAX])
{
    struct sock_name name;
    const char *wrong;

    if (strncmp(where, "fd:", 3) == 0)
        return fail(why,
                    "%s is a socket that Ballast was given, and does not say where that is: name its path or "
                    "address (--admin ADDR, or $BALLAST_ADMIN)",
                    where);
    if (sock_name_parse(str_of(where), STR("127.0.0.1"), &name, &wrong))
        return fail(why, "%s is no address: %s", where, wrong);
    if (sock_addr_numeric(&name, &client->addr))
        return fail(why, "%s: a number or a path is needed, no name", where);
    (void)snprintf(client->where, sizeof(client->where), "%s", where);
    return 0;
}

static void set_token(struct admin_client *client, struct str token)
{
    if (token.n > 0 && token.n < sizeof(client->token) && !client->token[0])
        memcpy(client->token, token.p, token.n);
}

static int find_in_file(struct admin_client *client, const char *config_path, bool address_known,
                        char why[ADMIN_WHY_MAX])
{
    struct config_flags flags = {0};
    struct config_errors errors;
    struct config *config = NULL;

    config_errors_init(&errors);
    int error = config_load(config_path, &flags, &errors, &config);
    config_errors_fini(&errors);
    if (error)
        return fail(why, "%s does not load: see `ballast check -c %s`", config_path, config_path);
    if (!config_has_admin(config))
        error = fail(why, "%s has no `admin` block", config_path);
    else if (!address_known)
        error = find_address(client, config->admin.address.text.p, why);
    if (!error)
        set_token(client, config->admin.token);
    config_destroy(&config);
    return error;
}

int admin_client_find(struct admin_client *client, const char *where, const char *config_path, char why[ADMIN_WHY_MAX])
{
    const char *token = getenv("BALLAST_ADMIN_TOKEN"), *named = where ? where : getenv("BALLAST_ADMIN");
    int error = 0;

    memset(client, 0, sizeof(*client));
    if (token)
        set_token(client, str_of(token));
    if (named)
        error = find_address(client, named, why);
    if (!error && config_path)
        error = find_in_file(client, config_path, named != NULL, why);
    if (!error && !named && !config_path)
        error = find_address(client, directive_find(DIRECTIVE_BLOCK_ADMIN, STR("address"))->initial, why);
    return error;
}

/* ---- a question and its answer ---- */

static const char *remedy(int system_errno)
{
    return system_errno == EACCES
               ? "its socket is for its owner alone: ask as the user that runs Ballast"
               : "is Ballast running, with an `admin` block? --admin, $BALLAST_ADMIN or -c FILE says where";
}

static int connect_to(const struct admin_client *client, char why[ADMIN_WHY_MAX])
{
    int fd = socket(client->addr.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&client->addr.storage, client->addr.len) == 0)
        return fd;
    fail(why, "%s cannot be asked: %s (%s)", client->where, strerror(errno), remedy(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t wrote = send(fd, bytes, n, MSG_NOSIGNAL);
        if (wrote < 0)
            return false;
        bytes += wrote;
        n -= (size_t)wrote;
    }
    return true;
}

static bool send_request(const struct admin_client *client, int fd, const char *method, const char *target,
                         const char *body)
{
    char head[REQUEST_HEAD_MAX];
    int n = snprintf(head, sizeof(head),
                     "%s %s HTTP/1.0\r\nHost: ballast\r\n%s%s%sContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     method, target, client->token[0] ? "Authorization: Bearer " : "", client->token,
                     client->token[0] ? "\r\n" : "", strlen(body));

    return n > 0 && (size_t)n < sizeof(head) && write_all(fd, head, (size_t)n) && write_all(fd, body, strlen(body));
}

/* Everything until the end, with a NUL; freed by the caller. NULL when it does not come in time. start-up only: of a
 * command. */
static char *read_answer(int fd)
{
    int64_t due_ms = clock_steady_ms() + ADMIN_DEFAULT_WAIT_MS;
    size_t room = 1 << 16, n = 0;
    char *text = malloc(room);

    while (text) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left_ms = due_ms - clock_steady_ms();
        ssize_t got = left_ms > 0 && poll(&ready, 1, (int)left_ms) == 1 ? read(fd, text + n, room - n - 1) : -1;
        if (got == 0) {
            text[n] = '\0';
            return text;
        }
        n += got > 0 ? (size_t)got : 0;
        char *larger = got < 0 || room >= ANSWER_BYTES_MAX ? NULL : text;
        if (larger && n + 1 == room)
            larger = realloc(text, room *= 2);
        if (!larger)
            free(text);
        text = larger;
    }
    return NULL;
}

static int judge(const char *text, json_t **ret_answer, char why[ADMIN_WHY_MAX])
{
    const char *body = strstr(text, "\r\n\r\n");
    uint64_t status = 0;

    if (strncmp(text, "HTTP/1.1 ", 9) != 0 || !body || str_parse_u64(str_slice(text + 9, 3), 599, &status))
        return fail(why, "what answered is not Ballast's administration API");
    json_t *json = json_loads(body + 4, 0, NULL);
    if (json && status < 400) {
        *ret_answer = json;
        return 0;
    }
    const char *sentence = json_string_value(json_object_get(json, "sentence"));
    if (status == 401)
        sentence = "the token is missing, or is another: it is $BALLAST_ADMIN_TOKEN, or that of the file of -c";
    const char *reason = json_string_value(json_object_get(json, "reason"));
    bool busy = reason && strcmp(reason, "busy") == 0;
    int error = fail(why, "%s", sentence ? sentence : "the answer is no JSON");
    json_decref(json);
    return busy ? -ERR_FULL : error;
}

int admin_client_ask(const struct admin_client *client, const char *method, const char *target, json_t *body,
                     json_t **ret_answer, char why[ADMIN_WHY_MAX])
{
    int fd = connect_to(client, why);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    char *answer = NULL;

    if (fd >= 0 && send_request(client, fd, method, target, text ? text : ""))
        answer = read_answer(fd);
    int error = answer ? judge(answer, ret_answer, why) : -ERR_CONFIG;
    if (fd >= 0 && !answer)
        (void)fail(why, "%s does not answer", client->where);
    if (fd >= 0)
        close(fd);
    free(text);   /* start-up only: of a command */
    free(answer); /* start-up only: of a command */
    return error;
}

bool admin_client_escape(struct str text, char *out, size_t room)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i], low = (unsigned char)str_lower((char)c);
        bool plain = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || strchr("-._~", c);
        if (n + 4 > room)
            return false;
        if (plain) {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
    }
    if (n >= room)
        return false;
    out[n] = '\0';
    return true;
}
