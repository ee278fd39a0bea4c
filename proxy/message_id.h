/*
 * message_id.h: what gatepost calls a message, in its Received: field and in the log: unique among
 * all messages that pass through one host. Pure.
 */
#ifndef GATEPOST_PROXY_MESSAGE_ID_H
#define GATEPOST_PROXY_MESSAGE_ID_H

#include <stdint.h>

#define MESSAGE_ID_MAX 17 /* with the NUL */

/*
 * Write the next id: 16 letters (not all: none that is easily mistaken for another) and digits, the
 * time NOW (microseconds since 1970) and then the number of the PROCESS. *LAST (at first 0) is the
 * time in the id before, which is not used again, also if the clock goes back. Returns OUT.
 */
const char *message_id_next(uint64_t *last, uint64_t now, uint32_t process,
                            char out[MESSAGE_ID_MAX]);

#endif
