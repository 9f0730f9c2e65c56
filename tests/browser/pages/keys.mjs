/* Keys of protected packages, as ClearKey has them (W3C Encrypted Media Extensions 9.1). */

/** Base64 as base64url without padding. */
export function urlSafe(text) {
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Bytes in hexadecimal digits, as base64url without padding. */
export function base64Url(digits) {
  const bytes = digits.match(/../g).map((pair) => String.fromCharCode(parseInt(pair, 16)));
  return urlSafe(btoa(bytes.join('')));
}

/** The licence with all keys, an object of keys by their identifiers. */
export function licence(clearKeys) {
  const pairs = Object.entries(clearKeys).map((pair) => pair.map(base64Url));
  return JSON.stringify({
    keys: pairs.map(([kid, k]) => ({ kty: 'oct', kid, k })),
    type: 'temporary',
  });
}
