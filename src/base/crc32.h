/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * CRC-32 (ISO-HDLC, as in zip and png): tells a damaged file from a whole one, nothing about intent.
 *
 * Errors   None.
 * Blocks   Never.
 * Context  Any.
 */
#include <stddef.h>
#include <stdint.h>

/* Start with 0; the result of one piece continues with the next. */
uint32_t crc32_add(uint32_t crc, const void *data, size_t size);
