/*
 * data_lines.h: the lines of DATA: a part of data_stream.c. Finds line ends, dots and the end of
 * data, and writes lines in the one form that all backends read alike; the header section goes
 * through the stream's header filter.
 */
#ifndef GATEPOST_PROXY_DATA_LINES_H
#define GATEPOST_PROXY_DATA_LINES_H

#include "proxy/data_stream.h"

#define DATA_LINES_START 0 /* stream->line at the start of a message */

/* data_stream_feed for DATA, our own header being written. */
enum data_stream_status data_lines_feed(struct data_stream *stream, const char *in, size_t length,
                                        size_t *consumed, struct header_output *output);

/* data_stream_pass for DATA, our own header being written. */
size_t data_lines_pass(struct data_stream *stream, const char *in, size_t length);

#endif
