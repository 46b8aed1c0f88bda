"""How a question finds its passages: cutting documents up, embedding, mending typos, scoring."""
