/* file.h: small files read whole, while a configuration is loaded. */
#ifndef GATEPOST_TLS_FILE_H
#define GATEPOST_TLS_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "policy/diag.h"

/* Read FILE, a regular one of at most MAX bytes, into new memory: *BYTES, *LENGTH, to be freed with
 * tls_file_free. Returns 0, or -1 after reporting to DIAG. */
int tls_file_read(const char *file, size_t max, uint8_t **bytes, size_t *length, struct diag *diag);

/* Wipe and free: the file may have held a key. */
void tls_file_free(uint8_t *bytes, size_t length);

#endif
