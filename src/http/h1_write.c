/* HTTP/1 heads from messages.
 *
 * Called by sessions on their reactor, once a message. The bytes go straight into the queue's chunk: an upper bound is
 * reserved once and filled. Fields that lie in the received head exactly as they are to be sent are copied a run at a
 * time, which for a forwarded head is most of it. A head too long for one reservation is put together in a queue of its
 * own first, so that running out of memory leaves no half of it behind.
 */
#include "http/h1_write.h"

#include "base/err.h"

enum {
    WRITE_DIRECT_MAX = BUF_CHUNK_BYTES / 2, /* what bufq_reserve promises */
    WRITE_FIXED_MAX = 224 /* spaces, version, Host's name, TE, Upgrade's, framing, Connection, the empty line */
};

struct writer {
    char *at; /* NULL: through the queue */
    struct bufq *queue;
    int err; /* the first one; nothing is written behind it */
};

static void put(struct writer *writer, const char *bytes, size_t n)
{
    if (writer->at) {
        memcpy(writer->at, bytes, n);
        writer->at += n;
    } else if (!writer->err && n > 0) {
        writer->err = bufq_append(writer->queue, bytes, n);
    }
}

#define PUT(writer, literal) put(writer, "" literal, sizeof(literal) - 1)

static void put_str(struct writer *writer, struct str text)
{
    if (text.n > 0)
        put(writer, text.p, text.n);
}

/* The field stands in memory as it is written: name, colon, space, value, CR LF. */
static bool is_verbatim(const struct field *field)
{
    const char *colon = field->name.p + field->name.n;
    return field->value.p == colon + 2 && colon[0] == ':' && colon[1] == ' ';
}

/* `next` follows `field` in memory with CR LF between them. */
static bool is_followed_by(const struct field *field, const struct field *next)
{
    const char *end = field->value.p + field->value.n;
    return next->name.p == end + 2 && end[0] == '\r' && end[1] == '\n';
}

static void put_fields(struct writer *writer, const struct field *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct field *field = &fields[i];
        if (field->dropped)
            continue;
        if (!is_verbatim(field)) {
            put_str(writer, field->name);
            PUT(writer, ": ");
            put_str(writer, field->value);
        } else {
            while (i + 1 < count && !fields[i + 1].dropped && is_verbatim(&fields[i + 1]) &&
                   is_followed_by(&fields[i], &fields[i + 1]))
                i++;
            put(writer, field->name.p, (size_t)(fields[i].value.p + fields[i].value.n - field->name.p));
        }
        PUT(writer, "\r\n");
    }
}

static size_t fields_bound(const struct field *fields, uint32_t count)
{
    size_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        n += fields[i].name.n + fields[i].value.n + 4;
    return n;
}

static void put_number(struct writer *writer, uint64_t number)
{
    char digits[20];
    put(writer, digits, str_put_u64(digits, number));
}

/* RFC 9112 section 6: at most one of the two. */
static void put_framing(struct writer *writer, const struct h1_framing *framing)
{
    if (framing->chunked) {
        PUT(writer, "Transfer-Encoding: chunked\r\n");
    } else if (framing->length >= 0) {
        PUT(writer, "Content-Length: ");
        put_number(writer, (uint64_t)framing->length);
        PUT(writer, "\r\n");
    }
}

/* What is said to the next hop only, and by RFC 9110 section 7.6.1 named in Connection. */
static void put_hop_fields(struct writer *writer, const struct msg *msg)
{
    if (msg->trailers_wanted)
        PUT(writer, "TE: trailers\r\n");
    if (msg->upgrade.n > 0) {
        PUT(writer, "Upgrade: ");
        put_str(writer, msg->upgrade);
        PUT(writer, "\r\n");
    }
}

static void put_connection(struct writer *writer, enum h1_connection connection, const struct msg *msg)
{
    struct str options[3];
    uint32_t count = 0;

    if (connection != H1_CONNECTION_SILENT)
        options[count++] = connection == H1_CONNECTION_CLOSE ? STR("close") : STR("keep-alive");
    if (msg->upgrade.n > 0)
        options[count++] = STR("upgrade");
    if (msg->trailers_wanted)
        options[count++] = STR("TE");
    for (uint32_t i = 0; i < count; i++) {
        put_str(writer, i == 0 ? STR("Connection: ") : STR(", "));
        put_str(writer, options[i]);
    }
    if (count > 0)
        PUT(writer, "\r\n");
}

struct job {
    const struct msg *msg; /* NULL: a last chunk */
    const struct h1_framing *framing;
    const struct field *fields;
    uint32_t count;
};

typedef void (*put_job_fn)(struct writer *writer, const struct job *job);

static void put_request(struct writer *writer, const struct job *job)
{
    const struct msg *msg = job->msg;
    put_str(writer, msg->method_text);
    PUT(writer, " ");
    put_str(writer, msg->target);
    PUT(writer, " HTTP/1.1\r\nHost: ");
    put_str(writer, msg->authority);
    PUT(writer, "\r\n");
    put_fields(writer, job->fields, job->count);
    put_hop_fields(writer, msg);
    put_framing(writer, job->framing);
    put_connection(writer, job->framing->connection, msg);
    PUT(writer, "\r\n");
}

static void put_answer(struct writer *writer, const struct job *job)
{
    const struct msg *msg = job->msg;
    PUT(writer, "HTTP/1.1 ");
    put_number(writer, msg->status);
    PUT(writer, " ");
    put_str(writer, msg->reason);
    PUT(writer, "\r\n");
    put_fields(writer, job->fields, job->count);
    put_hop_fields(writer, msg);
    /* RFC 9112 section 6.1 and RFC 9110 section 8.6: none in 1xx. */
    if (msg->status >= 200)
        put_framing(writer, job->framing);
    put_connection(writer, job->framing->connection, msg);
    PUT(writer, "\r\n");
}

static void put_last_chunk(struct writer *writer, const struct job *job)
{
    PUT(writer, "0\r\n");
    put_fields(writer, job->fields, job->count);
    PUT(writer, "\r\n");
}

static int write_long(struct bufq *queue, put_job_fn put_job, const struct job *job)
{
    struct bufq own;
    bufq_init(&own, queue->pool);
    struct writer writer = {.queue = &own};
    put_job(&writer, job);
    if (!writer.err)
        writer.err = bufq_move(queue, &own, bufq_bytes(&own));
    bufq_clear(&own);
    return writer.err;
}

static size_t job_bound(const struct job *job)
{
    const struct msg *msg = job->msg;
    size_t texts = msg ? msg->method_text.n + msg->target.n + msg->authority.n + msg->reason.n + msg->upgrade.n : 0;
    return WRITE_FIXED_MAX + texts + fields_bound(job->fields, job->count);
}

static int write_job(struct bufq *queue, put_job_fn put_job, const struct job *job)
{
    size_t bound = job_bound(job);
    if (bound > WRITE_DIRECT_MAX)
        return write_long(queue, put_job, job);
    char *start = bufq_reserve(queue, bound);
    if (!start)
        return -ERR_NO_MEMORY;
    struct writer writer = {.at = start};
    put_job(&writer, job);
    ASSERT((size_t)(writer.at - start) <= bound);
    bufq_commit(queue, (size_t)(writer.at - start));
    return 0;
}

int h1_write_request(struct bufq *queue, const struct msg *msg, const struct h1_framing *framing)
{
    return write_job(queue, put_request, &(struct job){msg, framing, msg->fields, msg->count});
}

int h1_write_answer(struct bufq *queue, const struct msg *msg, const struct h1_framing *framing)
{
    return write_job(queue, put_answer, &(struct job){msg, framing, msg->fields, msg->count});
}

int h1_write_last_chunk(struct bufq *queue, const struct field *trailers, uint32_t count)
{
    return write_job(queue, put_last_chunk, &(struct job){NULL, NULL, trailers, count});
}
