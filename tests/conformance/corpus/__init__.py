"""The corpus: raw messages and what must become of them. The tables are plain data; case.py says how to read them."""

from . import (answer_body, answer_connection, answer_fields, answer_framing, answer_interim, answer_line,
               request_chunk, request_connection, request_fields, request_forwarding, request_host, request_length,
               request_limits, request_line, request_target)

REQUEST_TABLES = (request_line, request_target, request_host, request_fields, request_length, request_chunk,
                  request_forwarding, request_limits, request_connection)
ANSWER_TABLES = (answer_line, answer_fields, answer_framing, answer_interim, answer_body, answer_connection)

REQUESTS = [case for table in REQUEST_TABLES for case in table.CASES]
ANSWERS = [case for table in ANSWER_TABLES for case in table.CASES]
