-- What is changed of an answer on its way to the client.

return {}
