/** The monitor page: connects, and shows the view that the address names. */
import { render } from 'preact';
import { App } from './app.js';
import { Live } from './model/live.js';
import './style.css';
import 'uplot/dist/uPlot.min.css';

const root = document.getElementById('app');
if (root !== null) render(<App live={new Live()} />, root);
