/* version.h: the release this tree becomes. */
#ifndef GATEPOST_PROXY_VERSION_H
#define GATEPOST_PROXY_VERSION_H

#define GATEPOST_VERSION "0.1.0"

#endif
