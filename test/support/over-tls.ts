/**
 * Required by `npm run test:tls` before the tests of the broker: those it starts in its own process
 * speak TLS, and so do their clients.
 */
import { TestBroker } from './broker.js';

TestBroker.speaksTls = true;
